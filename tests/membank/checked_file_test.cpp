#include "membank/checked_file.h"

#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/file.h"
#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::error_of;
using testing::open_reader;
using testing::open_writer;
using testing::TempFolder;

FileState state_of(const std::filesystem::path& file, uint64_t transaction) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const FileState state = file_state(fd, transaction);
  ::close(fd);
  return state;
}

void grow_old() { std::this_thread::sleep_for(std::chrono::milliseconds(1100)); }

TEST(CheckedFile, AChangedFileIsNotTheOneThatWasSound) {
  const TempFolder folder;
  const auto file = folder.path() / "data.mdb";
  std::ofstream(file) << "content";
  remember_sound(state_of(file, 7));
  EXPECT_FALSE(known_sound(state_of(file, 7)));  // too young to be told from a change
  grow_old();
  remember_sound(state_of(file, 7));
  EXPECT_TRUE(known_sound(state_of(file, 7)));
  EXPECT_FALSE(known_sound(state_of(file, 8)));
  std::ofstream(file) << "CONTENT";
  EXPECT_FALSE(known_sound(state_of(file, 7)));
  EXPECT_FALSE(known_sound(FileState{}));
}

TEST(CheckedFile, DamageBetweenTwoOpeningsIsFound) {
  const TempFolder folder;
  add_text(*open_writer(folder.path()), "a", 20);
  grow_old();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(open_reader(folder.path())->snapshot()->stats().chunks, 20);
  std::string bytes = read_file(folder.path() / "data.mdb");
  for (size_t page = 2; page * 4096 < bytes.size(); ++page) bytes[page * 4096 + 12] ^= 0x55;
  std::ofstream(folder.path() / "data.mdb", std::ios::binary | std::ios::in) << bytes;
  EXPECT_EQ(error_of([&] { open_reader(folder.path()); }).kind(), ErrorKind::corrupt);
}

}  // namespace
}  // namespace memlong::membank
