#include "common/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "common/error.h"

namespace memlong {
namespace {

struct Descriptor {
  explicit Descriptor(int value) : fd(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

size_t regular_file_size(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_errno("cannot examine", path);
  if (!S_ISREG(info.st_mode)) fail(ErrorKind::io, path + " is not a regular file");
  return static_cast<size_t>(info.st_size);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) fail_errno("cannot open", path.string());
  size_ = regular_file_size(file.fd, path.string());
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.fd, 0);
  if (mapped == MAP_FAILED) fail_errno("cannot map", path.string());
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_file(const std::filesystem::path& path, size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) fail_errno("cannot open", path.string());
  const size_t size = regular_file_size(file.fd, path.string());
  if (size > limit) {
    fail(ErrorKind::format, path.string() + " has " + std::to_string(size) + " bytes; at most " +
                                std::to_string(limit) + " are expected");
  }
  std::string content(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t count = ::read(file.fd, content.data() + done, size - done);
    if (count < 0) fail_errno("cannot read", path.string());
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  content.resize(done);
  return content;
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  // A thread's number: two threads may replace the same file.
  const std::filesystem::path temporary = path.string() + ".tmp" + std::to_string(::gettid());
  const std::string name = temporary.string();
  const auto give_up = [&](const char* what, const std::string& file) {
    const int error = errno;
    ::unlink(name.c_str());
    errno = error;
    fail_errno(what, file);
  };
  {
    const Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.fd < 0) fail_errno("cannot create", name);
    size_t done = 0;
    while (done < content.size()) {
      const ssize_t count = ::write(file.fd, content.data() + done, content.size() - done);
      if (count < 0) give_up("cannot write", name);
      done += static_cast<size_t>(count);
    }
    if (::fsync(file.fd) != 0) give_up("cannot sync", name);
  }
  if (::rename(name.c_str(), path.c_str()) != 0) give_up("cannot rename to", path.string());
  (void)sync_folder(path.parent_path());
}

bool sync_folder(const std::filesystem::path& folder) {
  const char* name = folder.empty() ? "." : folder.c_str();
  const Descriptor directory(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.fd >= 0 && ::fsync(directory.fd) == 0;
}

}  // namespace memlong
