// A reader that was killed, while a writer goes on.
#include <signal.h>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"

namespace memlong::membank {
namespace {

using testing::in_child;
using testing::open_reader;
using testing::open_writer;
using testing::TempFolder;
using testing::wait_for;

TEST(DeadReader, KeepsNoRoomFromAWriterThatGoesOn) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  constexpr int64_t kBlob = 256 << 10;
  const auto commit = [&](int i) {
    bank->update(
        [&](Transaction& t) { t.set_blob("b", std::string(kBlob, static_cast<char>(i))); });
  };
  commit(0);
  const pid_t reader = in_child([&] {
    const auto own = open_reader(folder.path());
    const auto snapshot = own->snapshot();
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  EXPECT_EQ(wait_for(reader), -SIGKILL);
  for (int i = 1; i <= 300; ++i) commit(i);
  EXPECT_LT(bank->snapshot()->stats().bytes, 100 * kBlob);  // all of them: 300
}

}  // namespace
}  // namespace memlong::membank
