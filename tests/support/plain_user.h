// What a user without root's rights may do: root may read everything, so its tests run as nobody.
#pragma once

#include <cstdio>
#include <exception>
#include <filesystem>
#include <grp.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace memlong::test {

/// Runs the test in a child process, as user 65534 where this one is root; its failures become
/// failures of this process's test. Files below `folder` are that user's. Skipped, loudly, where
/// such a user cannot read all that is `needed` (a source tree in root's home). Last statement of a
/// test.
template <class Fn>
void as_plain_user(const std::filesystem::path& folder, const std::vector<std::string>& needed,
                   const Fn& fn) {
  constexpr int kNoUser = 77;
  constexpr uid_t kNobody = 65534;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0) {
      bool done = ::chown(folder.c_str(), kNobody, kNobody) == 0;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        done = ::lchown(entry.path().c_str(), kNobody, kNobody) == 0 && done;
      }
      done =
          done && ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
      for (const std::string& path : needed) done = ::access(path.c_str(), R_OK) == 0 && done;
      if (!done) ::_exit(kNoUser);
    }
    try {
      fn();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoUser) {
    std::fprintf(stderr,
                 "SKIPPED: root cannot become another user who reads the sources and "
                 "the build: what happens without permission was NOT tested\n");
    GTEST_SKIP() << "no plain user";
  }
  ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  ASSERT_EQ(WEXITSTATUS(status), 0) << "the failures are printed above";
}

}  // namespace memlong::test
