// A small file system of one test's own, which can be full or read-only. It needs no root where the
// kernel lets users have namespaces; where nothing can be mounted the test says so and is skipped.
#pragma once

#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace memlong::test {

class SmallDisk {
 public:
  /// A child process mounts a tmpfs of `bytes` on `folder`, which nobody else sees, and runs the
  /// test there. Its failures become failures of this process's test. Last statement of a test.
  template <class Fn>
  static void run(const std::filesystem::path& folder, size_t bytes, const Fn& fn) {
    std::filesystem::create_directories(folder);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(in_child(folder, bytes, fn));
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kNoMount) {
      std::fprintf(stderr,
                   "SKIPPED: no tmpfs can be mounted here, neither as root nor in a user "
                   "namespace: what happens on a full disk was NOT tested\n");
      GTEST_SKIP() << "no tmpfs can be mounted";
    }
    ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    ASSERT_EQ(WEXITSTATUS(status), 0) << "the failures are printed above";
  }

  explicit SmallDisk(std::filesystem::path path) : path_(std::move(path)) {}
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Fills the disk so that about this much is free; takes the filling of the last call away.
  void leave(size_t bytes) const {
    std::filesystem::remove(ballast());
    struct statvfs info {};
    ASSERT_EQ(::statvfs(path_.c_str(), &info), 0);
    const size_t free = info.f_bavail * info.f_frsize;
    ASSERT_GE(free, bytes) << "the test needs a larger disk";
    const int fd = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    const auto size = static_cast<off_t>(free - bytes);
    EXPECT_EQ(size > 0 ? ::posix_fallocate(fd, 0, size) : 0, 0);
    ::close(fd);
  }
  void make_room() const { std::filesystem::remove(ballast()); }
  void make_read_only() const {
    ASSERT_EQ(::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  }

 private:
  static constexpr int kNoMount = 77;

  template <class Fn>
  static int in_child(const std::filesystem::path& folder, size_t bytes, const Fn& fn) {
    if (!mount_on(folder, bytes)) return kNoMount;
    try {
      fn(SmallDisk(folder));
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    std::fflush(nullptr);
    return ::testing::Test::HasFailure() ? 1 : 0;
  }

  static bool mount_on(const std::filesystem::path& folder, size_t bytes) {
    if (::unshare(CLONE_NEWNS) != 0) {
      const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
      const std::string group = "0 " + std::to_string(::getegid()) + " 1";
      if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
      if (!write("/proc/self/setgroups", "deny") || !write("/proc/self/uid_map", user) ||
          !write("/proc/self/gid_map", group)) {
        return false;
      }
    }
    const std::string size = "size=" + std::to_string(bytes);
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }

  static bool write(const char* path, const std::string& text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    const bool done =
        fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) ::close(fd);
    return done;
  }

  [[nodiscard]] std::filesystem::path ballast() const { return path_ / "ballast"; }

  std::filesystem::path path_;
};

}  // namespace memlong::test
