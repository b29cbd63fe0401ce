#include <atomic>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::error_of;
using testing::findings;
using testing::holds;
using testing::open_reader;
using testing::open_writer;
using testing::small_fingerprint;
using testing::TempFolder;

/// Leaves room for so many more open files.
class FewFiles {
 public:
  explicit FewFiles(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    const rlimit low{static_cast<rlim_t>(next + more), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
  }
  FewFiles(const FewFiles&) = delete;
  FewFiles& operator=(const FewFiles&) = delete;
  ~FewFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

ino_t file_number(const std::filesystem::path& folder) {
  struct stat info {};
  EXPECT_EQ(::stat((folder / "data.mdb").c_str(), &info), 0);
  return info.st_ino;
}

TEST(Compaction, WhoseFileCannotBeOpenedLosesNothingThatComesLater) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "SKIPPED: UBSan looks at an object's type by way of a pipe, and no file is left";
#endif
  const TempFolder folder;
  auto bank = open_writer(folder.path());
  add_text(*bank, "a", 3, 0);
  auto before = bank->snapshot();
  const ino_t old_file = file_number(folder.path());
  // So many files that the copy can be made and exchanged, but not opened.
  for (int files = 1; file_number(folder.path()) == old_file; ++files) {
    const FewFiles few(files);
    EXPECT_EQ(error_of([&] { bank->compact(); }).kind(), ErrorKind::io);
    if (file_number(folder.path()) == old_file) continue;
    EXPECT_EQ(error_of([&] { add_text(*bank, "b", 1, 10); }).kind(), ErrorKind::io);
    EXPECT_TRUE(holds(*before, small_fingerprint(), 1, 0));
  }
  add_text(*bank, "b", 2, 20);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 5);
  before.reset();
  bank.reset();
  const auto again = open_reader(folder.path());
  EXPECT_EQ(again->snapshot()->stats().documents, 2);
  EXPECT_TRUE(holds(*again->snapshot(), small_fingerprint(), 5, 21));
  EXPECT_EQ(findings(*again), "");
}

TEST(Compaction, LeavesWhoVerifiesMeanwhileItsFile) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  add_text(*bank, "a", 40, 0);
  std::atomic<bool> stop{false};
  std::string found;
  std::jthread verifier([&] {
    while (!stop && found.empty()) found = findings(*bank);
  });
  for (int i = 0; i < 60; ++i) bank->compact();
  stop = true;
  verifier.join();
  EXPECT_EQ(found, "");
}

}  // namespace
}  // namespace memlong::membank
