#include <random>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::error_of;
using testing::findings;
using ::testing::HasSubstr;
using testing::holds;
using testing::in_child;
using testing::open_reader;
using testing::open_writer;
using testing::small_fingerprint;
using testing::TempFolder;
using testing::wait_for;

void wait_until_exists(const std::filesystem::path& file) {
  while (!std::filesystem::exists(file)) ::usleep(1000);
}

TEST(Processes, ASecondWriterIsRefusedAndToldWhoWrites) {
  const TempFolder folder;
  const auto done = folder.path() / "done";
  const pid_t writer = in_child([&] {
    const auto bank = open_writer(folder.path());
    add_text(*bank, "a", 1);
    std::filesystem::create_directory(folder.path() / "ready");
    wait_until_exists(done);
    return 0;
  });
  wait_until_exists(folder.path() / "ready");
  const Error second = error_of([&] { open_writer(folder.path()); });
  EXPECT_EQ(second.kind(), ErrorKind::busy);
  EXPECT_THAT(second.what(), HasSubstr("process " + std::to_string(writer)));
  EXPECT_EQ(open_reader(folder.path())->snapshot()->stats().chunks, 1);
  std::filesystem::create_directory(done);
  EXPECT_EQ(wait_for(writer), 0);
  EXPECT_NO_THROW(open_writer(folder.path()));
}

TEST(Processes, ReadersSeeWholeCommitsWhileTheMapGrows) {
  const TempFolder folder;
  Fingerprint f = small_fingerprint();
  f.head_dim = 256;
  const auto stop = folder.path() / "stop";
  { add_text(*open_writer(folder.path(), f), "first", 4, 0); }
  std::vector<pid_t> readers;
  for (int r = 0; r < 4; ++r) {
    readers.push_back(in_child([&] {
      const auto bank = open_reader(folder.path());
      const auto oldest = bank->snapshot();
      const int64_t first = oldest->stats().chunks;  // the writer may have begun
      int64_t last = 0;
      do {
        const auto s = bank->snapshot();
        const int64_t chunks = s->stats().chunks;
        if (chunks < last || chunks % 4 != 0) return 1;
        for (ChunkId id = 1; id <= static_cast<ChunkId>(chunks); id += 7) {
          if (!holds(*s, f, id, static_cast<int>((id - 1) % 4))) return 2;
        }
        if (oldest->stats().chunks != first || !holds(*oldest, f, 3, 2)) return 3;
        last = chunks;
      } while (!std::filesystem::exists(stop));
      return bank->snapshot()->stats().chunks == 204 ? 0 : 4;
    }));
  }
  {
    const auto bank = open_writer(folder.path(), f);
    for (int i = 0; i < 50; ++i) add_text(*bank, "b" + std::to_string(i), 4, 0);
    EXPECT_EQ(findings(*bank), "");
  }
  std::filesystem::create_directory(stop);
  for (const pid_t reader : readers) EXPECT_EQ(wait_for(reader), 0);
}

TEST(Processes, AKilledWriterLosesNoCommit) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  std::mt19937 random(7);
  int64_t known = 0;
  for (int round = 0; round < 8; ++round) {
    int reported[2];
    ASSERT_EQ(::pipe(reported), 0);
    const pid_t writer = in_child([&] {
      const auto bank = open_writer(folder.path());
      int64_t chunks = bank->snapshot()->stats().chunks;
      for (int i = 0;; ++i) {
        add_text(*bank, "r" + std::to_string(round) + "-" + std::to_string(i), 3, 0);
        chunks += 3;
        if (::write(reported[1], &chunks, sizeof(chunks)) < 0) return 1;
      }
      return 0;
    });
    ::close(reported[1]);
    int64_t chunks = 0;
    if (round % 2 == 0) {  // every other one dies for sure after a commit, however slow it is
      EXPECT_EQ(::read(reported[0], &chunks, sizeof(chunks)), sizeof(chunks));
      known = chunks;
    }
    ::usleep(15'000 + random() % 60'000);
    ::kill(writer, SIGKILL);
    EXPECT_EQ(wait_for(writer), -SIGKILL);
    while (::read(reported[0], &chunks, sizeof(chunks)) == sizeof(chunks)) known = chunks;
    ::close(reported[0]);
    const auto bank = open_writer(folder.path());  // the lock went with the process
    EXPECT_EQ(findings(*bank), "");
    const auto s = bank->snapshot();
    const int64_t there = s->stats().chunks;
    EXPECT_TRUE(there == known || there == known + 3) << there << " of " << known;
    known = there;
    for (const Document& document : s->documents()) {
      EXPECT_TRUE(document.complete);
      EXPECT_EQ(document.chunks, 3);
    }
    EXPECT_TRUE(there == 0 || holds(*s, f, s->last_chunk(), 2));
  }
  EXPECT_GT(known, 0);
}

TEST(Processes, AFullDiskIsAnErrorAndLosesNothing) {
  const TempFolder folder;
  { add_text(*open_writer(folder.path()), "a", 2, 0); }
  const pid_t limited = in_child([&] {
    const auto bank = open_writer(folder.path());
    ::signal(SIGXFSZ, SIG_IGN);
    const auto size = std::filesystem::file_size(folder.path() / "data.mdb");
    const rlimit limit{size + (64U << 10), RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const Error error = error_of([&] { add_text(*bank, "b", 500, 0); });
    if (error.kind() != ErrorKind::capacity) return 2;
    if (std::string(error.what()).find("data.mdb") == std::string::npos) return 3;
    if (bank->snapshot()->stats().chunks != 2) return 4;
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &unlimited);
    add_text(*bank, "b", 500, 0);  // room again: it goes on
    return 0;
  });
  EXPECT_EQ(wait_for(limited), 0);
  const auto bank = open_reader(folder.path());
  EXPECT_EQ(bank->snapshot()->stats().chunks, 502);
  EXPECT_EQ(findings(*bank), "");
}

TEST(Processes, NoAddressSpaceIsAnError) {
#if defined(MEMLONG_SANITIZED)
  GTEST_SKIP() << "sanitizers reserve address space of their own";
#endif
  const TempFolder folder;
  Fingerprint f = small_fingerprint();
  f.head_dim = 512;
  { add_text(*open_writer(folder.path(), f), "a", 2, 0); }
  const pid_t limited = in_child([&] {
    const auto bank = open_writer(folder.path(), f);
    const rlimit limit{size_t{160} << 20, size_t{160} << 20};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    int added = 0;
    const Error error = error_of([&] {
      for (; added < 2000; ++added) add_text(*bank, "b" + std::to_string(added), 64, 0);
    });
    if (error.kind() != ErrorKind::capacity) return 2;
    if (bank->snapshot()->stats().chunks != 2 + 64 * added) return 3;
    return 0;
  });
  EXPECT_EQ(wait_for(limited), 0);
  EXPECT_EQ(findings(*open_reader(folder.path())), "");
}

TEST(Processes, AReadOnlyFolderCanBeRead) {
  const TempFolder folder;
  { add_text(*open_writer(folder.path()), "a", 2, 0); }
  std::filesystem::remove(folder.path() / "lock.mdb");
  using std::filesystem::perms;
  std::filesystem::permissions(folder.path(), perms{0555});
  std::filesystem::permissions(folder.path() / "data.mdb", perms{0444});
  const pid_t reader = in_child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;  // root may write everywhere
    const auto bank = open_reader(folder.path());
    if (!holds(*bank->snapshot(), small_fingerprint(), 2, 1)) return 2;
    if (error_of([&] { open_writer(folder.path()); }).kind() != ErrorKind::io) return 3;
    return bank->verify().empty() ? 0 : 4;
  });
  EXPECT_EQ(wait_for(reader), 0);
  std::filesystem::permissions(folder.path(), perms::owner_all);
}

}  // namespace
}  // namespace memlong::membank
