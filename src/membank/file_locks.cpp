#include "membank/file_locks.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <unistd.h>

#include "common/error.h"

namespace memlong::membank {
namespace {

std::string holder_of(int fd) {
  char text[32] = {};
  const ssize_t count = ::pread(fd, text, sizeof(text) - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < count && text[i] >= '0' && text[i] <= '9'; ++i) pid.push_back(text[i]);
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

WriterLock::WriterLock(const std::filesystem::path& folder) {
  const std::string path = (folder / "writer.lock").string();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno("cannot open", path);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const bool readers_only = ::flock(fd_, LOCK_SH | LOCK_NB) == 0;
    const std::string holder = holder_of(fd_);
    ::close(fd_);
    errno = error;
    if (error != EWOULDBLOCK) fail_errno("cannot lock", path);
    if (readers_only) {
      fail(ErrorKind::busy, "bank " + folder.string() +
                                " is being read by a process that may not write to its folder; "
                                "wait for it to end");
    }
    fail(ErrorKind::busy,
         "bank " + folder.string() + " is being written by " + holder + "; wait for it to end");
  }
  // The number is for people. A disk without room for it is no reason to stop.
  const std::string pid = std::to_string(::getpid()) + "\n";
  const ssize_t written = ::pwrite(fd_, pid.data(), pid.size(), 0);
  const ssize_t size = std::max<ssize_t>(written, 0);
  if (::ftruncate(fd_, size) != 0) {
    const int error = errno;
    ::close(fd_);
    errno = error;
    fail_errno("cannot write", path);
  }
}

WriterLock::~WriterLock() {
  if (fd_ >= 0) ::close(fd_);
}

NoWriters::NoWriters(const std::filesystem::path& folder)
    : fd_(::open((folder / "writer.lock").c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0 || ::flock(fd_, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  const std::string holder = holder_of(fd_);
  ::close(fd_);
  fail(ErrorKind::busy, "bank " + folder.string() + " is being written by " + holder +
                            ", and from here its folder can only be read; wait for it to end");
}

NoWriters::~NoWriters() {
  if (fd_ >= 0) ::close(fd_);
}

FolderLock::FolderLock(const std::filesystem::path& folder)
    : folder_(folder), fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ < 0) fail_errno("cannot open folder", folder.string());
  while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

void FolderLock::replace(const char* from, const char* to) const {
  const std::string target = (folder_ / to).string();
  if (::rename((folder_ / from).c_str(), target.c_str()) != 0) {
    fail_errno("cannot replace", target);
  }
  ::fsync(fd_);
}

void FolderLock::remove(const char* name) const {
  const std::string target = (folder_ / name).string();
  if (::unlink(target.c_str()) != 0 && errno != ENOENT) fail_errno("cannot remove", target);
  ::fsync(fd_);
}

}  // namespace memlong::membank
