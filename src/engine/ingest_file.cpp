// SourceFile: a source that can be read more than once.
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "common/error.h"
#include "engine/ingest_sources.h"

namespace memlong::engine {
namespace {

/// A file without a name in the temporary folder.
int temporary_file() {
  std::string path = (std::filesystem::temp_directory_path() / "memlong-XXXXXX").string();
  const int descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor < 0) fail_errno("cannot create", path);
  unlink(path.c_str());
  return descriptor;
}

constexpr int kForever = -1;
constexpr int kWriterMilliseconds = 1000;

void wait_for_bytes(int descriptor, int milliseconds) {
  pollfd ready{.fd = descriptor, .events = POLLIN, .revents = 0};
  poll(&ready, 1, milliseconds);
}

/// What is read to its end has one: /dev/zero has none, and a disk is no text.
void check_device(int descriptor, mode_t mode) {
  if (S_ISBLK(mode) || (S_ISCHR(mode) && isatty(descriptor) == 0)) {
    fail(ErrorKind::format, "a device, not a text");
  }
}

}  // namespace

SourceFile::SourceFile(const Source& source)
    : path_(source.path.string()), content_(source.content) {
  if (content_ != nullptr) {
    bytes_ = static_cast<int64_t>(content_->size());
    return;
  }
  const bool input = path_ == "-";
  descriptor_ =
      input ? dup(STDIN_FILENO) : ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail_errno("cannot open", input ? "standard input" : path_);
  try {
    prepare();
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

void SourceFile::prepare() {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) fail_errno("cannot read", path_);
  bytes_ = status.st_size;
  if (S_ISREG(status.st_mode)) return;
  check_device(descriptor_, status.st_mode);
  // A named pipe that nobody has open for writing is at its end already: no waiting for ever.
  const bool named_pipe = S_ISFIFO(status.st_mode) && path_ != "-";
  if (named_pipe) wait_for_bytes(descriptor_, kWriterMilliseconds);
  spool();
  if (named_pipe && bytes_ == 0) fail(ErrorKind::format, "a pipe that nobody writes to");
}

SourceFile::~SourceFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

size_t SourceFile::read(char* to, size_t size) const {
  while (true) {
    const ssize_t got = ::read(descriptor_, to, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EAGAIN) {
      wait_for_bytes(descriptor_, kForever);
    } else if (errno != EINTR) {
      fail_errno("cannot read", path_ == "-" ? "standard input" : path_);
    }
  }
}

void SourceFile::spool() {
  const int copy = temporary_file();
  std::vector<char> block(size_t{64} << 10);
  bytes_ = 0;
  try {
    while (const size_t got = read(block.data(), block.size())) {
      for (size_t done = 0; done < got;) {
        const ssize_t put = write(copy, block.data() + done, got - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) fail_errno("cannot write to", "a temporary file");
        done += static_cast<size_t>(put);
      }
      bytes_ += static_cast<int64_t>(got);
    }
  } catch (...) {
    close(copy);
    throw;
  }
  close(descriptor_);
  descriptor_ = copy;
}

ReadBlock SourceFile::open() {
  if (content_ != nullptr) {
    return [rest = std::string_view(*content_)](char* to, size_t size) mutable {
      const size_t count = rest.copy(to, size);
      rest.remove_prefix(count);
      return count;
    };
  }
  if (lseek(descriptor_, 0, SEEK_SET) != 0) fail_errno("cannot read again", path_);
  return [this](char* to, size_t size) { return read(to, size); };
}

}  // namespace memlong::engine
