#include "tools/memlong-train/run_lock.h"

#include <cctype>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <unistd.h>

#include "common/error.h"

namespace memlong::train_tool {
namespace {

std::string holder_of(int fd) {
  char text[32] = {};
  std::string pid;
  if (::pread(fd, text, sizeof(text) - 1, 0) > 0) {
    for (const char* c = text; std::isdigit(static_cast<unsigned char>(*c)) != 0; ++c) pid += *c;
  }
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& out) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail(ErrorKind::io, "cannot create " + out.string() + ": " + error.message());
  const std::string path = (out / "run.lock").string();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd_ < 0) fail_errno("cannot open", path);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    const std::string holder = holder_of(fd_);
    ::close(fd_);
    fail(ErrorKind::busy, out.string() + " is being trained in by " + holder +
                              "; wait for it to end, or name another folder with --out");
  }
  // A file system without locks is used without, a full disk without the number, which is for
  // people.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(fd_, pid.data(), pid.size(), 0);
  }
}

RunLock::~RunLock() { ::close(fd_); }

}  // namespace memlong::train_tool
