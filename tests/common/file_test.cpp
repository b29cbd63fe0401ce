#include "common/file.h"

#include <atomic>
#include <sys/stat.h>
#include <thread>

#include <gtest/gtest.h>

#include "common/error.h"
#include "support/temp_folder.h"

namespace memlong {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  template <class Fn>
  static ErrorKind kind_of(Fn&& fn) {
    try {
      fn();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.kind();
    }
    return ErrorKind::stopped;
  }

  const test::TempFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const fs::path path = folder_ / "a.bin";
  const std::string content("one\0two\n", 8);
  write_file_atomic(path, content);
  EXPECT_EQ(read_file(path), content);
  write_file_atomic(path, "shorter");
  EXPECT_EQ(read_file(path), "shorter");
  write_file_atomic(path, "");
  EXPECT_EQ(read_file(path), "");
}

TEST_F(FileTest, WritingLeavesNothingBeside) {
  write_file_atomic(folder_ / "a.bin", "x");
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().filename(), "a.bin");
    ++count;
  }
  EXPECT_EQ(count, 1U);
}

TEST_F(FileTest, MappedFileShowsTheContent) {
  const fs::path path = folder_ / "a.bin";
  write_file_atomic(path, "mapped");
  MappedFile file(path);
  ASSERT_EQ(file.bytes().size(), 6U);
  EXPECT_EQ(static_cast<char>(file.bytes()[0]), 'm');
  EXPECT_EQ(static_cast<char>(file.bytes()[5]), 'd');
  const MappedFile moved = std::move(file);
  EXPECT_EQ(moved.bytes().size(), 6U);
  EXPECT_TRUE(MappedFile().bytes().empty());
  write_file_atomic(path, "");
  EXPECT_TRUE(MappedFile(path).bytes().empty());
}

TEST_F(FileTest, ErrorsNameTheirKind) {
  EXPECT_EQ(kind_of([&] { read_file(folder_ / "missing"); }), ErrorKind::io);
  EXPECT_EQ(kind_of([&] { MappedFile file(folder_ / "missing"); }), ErrorKind::io);
  EXPECT_EQ(kind_of([&] { read_file(folder_); }), ErrorKind::io);
  EXPECT_EQ(kind_of([&] { write_file_atomic(folder_ / "no" / "such", "x"); }), ErrorKind::io);
  write_file_atomic(folder_ / "long", "12345");
  EXPECT_EQ(kind_of([&] { read_file(folder_ / "long", 4); }), ErrorKind::format);
  EXPECT_EQ(read_file(folder_ / "long", 5), "12345");
}

TEST_F(FileTest, AFifoIsRefusedInsteadOfWaitedFor) {
  const fs::path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(kind_of([&] { read_file(fifo); }), ErrorKind::io);
}

TEST_F(FileTest, ThreadsThatReplaceOneFileLeaveItWhole) {
  const fs::path path = folder_ / "shared";
  write_file_atomic(path, std::string(50000, 'a'));
  std::atomic<int> writing{3};
  std::vector<std::jthread> writers;
  for (const char letter : {'a', 'b', 'c'}) {
    writers.emplace_back([&, letter] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_NO_THROW(write_file_atomic(path, std::string(50000 + letter, letter)));
      }
      --writing;
    });
  }
  while (writing > 0) {
    const std::string content = read_file(path);
    ASSERT_GE(content.size(), 50000U);
    ASSERT_EQ(content.find_first_not_of(content[0]), std::string::npos);
  }
  writers.clear();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace memlong
