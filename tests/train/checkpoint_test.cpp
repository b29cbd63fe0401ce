#include "train/checkpoint.h"

#include <algorithm>
#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "membank/child_process.h"
#include "support/temp_folder.h"

namespace memlong::train {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

constexpr int64_t kElements = 3000;

/// Every element says which step wrote it.
struct Content {
  explicit Content(int64_t step)
      : state{.step = step,
              .optimizer_steps = step - 1,
              .gradient_norm_mean = 1.0 / 3.0 + static_cast<double>(step),
              .tokens = 1000 * step,
              .fingerprint = "abc",
              .source = R"({"at": [1, 2], "name": "a \"b\" ü"})"},
        weight({kElements / 10, 10}, DType::f32),
        moment({kElements}, DType::f32) {
    for (int64_t i = 0; i < kElements; ++i) {
      weight.data<float>()[i] = static_cast<float>(step);
      moment.data<float>()[i] = static_cast<float>(-step);
    }
  }
  [[nodiscard]] fs::path write(const fs::path& out, int64_t keep = 2) const {
    return write_checkpoint(out, state, {{"w", weight.view()}}, {{"w.m", moment.view()}}, keep);
  }
  CheckpointState state;
  Tensor weight;
  Tensor moment;
};

/// It is whole, and all of it is of one step.
int64_t checked_step(const fs::path& folder) {
  const LoadedCheckpoint loaded = read_checkpoint(folder);
  const auto step = static_cast<float>(loaded.state.step);
  for (int64_t i = 0; i < kElements; ++i) {
    if (loaded.parameters.at("w").data<float>()[i] != step) return -1;
    if (loaded.optimizer.at("w.m").data<float>()[i] != -step) return -1;
  }
  return loaded.state.step;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The message of the error of this kind that reading gives; empty without one.
std::string refusal(const fs::path& folder, ErrorKind kind) {
  try {
    read_checkpoint(folder);
  } catch (const Error& error) {
    return error.kind() == kind ? error.what() : "";
  }
  return "";
}

void flip_byte(const fs::path& path, int64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const auto byte = static_cast<char>(file.get() ^ 0x04);
  file.seekp(at);
  file.put(byte);
}

TEST(Checkpoint, ComesBackAsItWas) {
  const TempFolder temp;
  const fs::path out = temp.path() / "a" / "b";
  const Content content(7);
  const fs::path folder = content.write(out);
  EXPECT_EQ(folder, out / "checkpoint-000007");
  EXPECT_EQ(names_in(out), std::vector<std::string>{"checkpoint-000007"});
  const LoadedCheckpoint loaded = read_checkpoint(folder);
  EXPECT_EQ(loaded.state.step, 7);
  EXPECT_EQ(loaded.state.optimizer_steps, 6);
  EXPECT_EQ(loaded.state.gradient_norm_mean, content.state.gradient_norm_mean) << "to the bit";
  EXPECT_EQ(loaded.state.tokens, 7000);
  EXPECT_EQ(loaded.state.fingerprint, "abc");
  EXPECT_EQ(loaded.state.source, content.state.source);
  EXPECT_EQ(loaded.parameters.size(), 1U);
  EXPECT_EQ(loaded.parameters.at("w").shape(), Shape({kElements / 10, 10}));
  EXPECT_EQ(checked_step(folder), 7);
}

TEST(Checkpoint, TheNewestOnesStay) {
  const TempFolder temp;
  temp.write("checkpoint-notes.txt", "mine");
  temp.write("checkpoint-7b/state.json", "mine");
  for (const int64_t step : {50, 100, 150, 1000000}) {
    ASSERT_EQ(checked_step(Content(step).write(temp.path())), step);
  }
  const std::vector<std::string> expected = {"checkpoint-000150", "checkpoint-1000000",
                                             "checkpoint-7b", "checkpoint-notes.txt"};
  EXPECT_EQ(names_in(temp.path()), expected);
  EXPECT_EQ(newest_checkpoint(temp.path()), temp.path() / "checkpoint-1000000");
}

TEST(Checkpoint, OneOfTheSameStepStays) {
  const TempFolder temp;
  Content content(20);
  const fs::path folder = content.write(temp.path());
  content.state.tokens = 5;
  try {
    (void)content.write(temp.path());
    FAIL() << "was replaced";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_EQ(error.what(), folder.string() + " is there already");
  }
  EXPECT_EQ(read_checkpoint(folder).state.tokens, 20000);
  EXPECT_EQ(names_in(temp.path()), std::vector<std::string>{"checkpoint-000020"});
}

TEST(Checkpoint, StepsSkippedInARowComeBack) {
  const TempFolder temp;
  Content content(5);
  EXPECT_EQ(read_checkpoint(content.write(temp.path())).state.skipped, 0);
  EXPECT_EQ(read_file(temp.path() / "checkpoint-000005/state.json").find("skipped"),
            std::string::npos);
  content.state.step = 6;
  content.state.skipped = 3;
  EXPECT_EQ(read_checkpoint(content.write(temp.path())).state.skipped, 3);
}

TEST(Checkpoint, LeftoversGoAndNeverCount) {
  const TempFolder temp;
  EXPECT_EQ(newest_checkpoint(temp.path()), std::nullopt);
  EXPECT_EQ(newest_checkpoint(temp.path() / "none"), std::nullopt);
  for (const char* name : {"state.json", "parameters.safetensors", "optimizer.safetensors"}) {
    temp.write(std::string("checkpoint-000900.partial/") + name, "half");
  }
  EXPECT_EQ(newest_checkpoint(temp.path()), std::nullopt);
  const fs::path folder = Content(3).write(temp.path());
  EXPECT_EQ(newest_checkpoint(temp.path()), folder);
  EXPECT_FALSE(fs::exists(temp.path() / "checkpoint-000900.partial"));
}

TEST(Checkpoint, OneThatLacksAFileIsNotPassedOver) {
  const TempFolder temp;
  for (const int64_t step : {3, 5}) (void)Content(step).write(temp.path());
  for (const std::string name : {"state.json", "parameters.safetensors", "optimizer.safetensors"}) {
    const fs::path folder = temp.path() / "checkpoint-000005";
    fs::remove(folder / name);
    try {
      (void)newest_checkpoint(temp.path());
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      EXPECT_EQ(std::string(error.what()).find(folder.string() + " has no " + name), 0U);
    }
    fs::remove_all(folder);
    (void)Content(5).write(temp.path());
  }
  fs::remove_all(temp.path() / "checkpoint-000005");
  EXPECT_EQ(newest_checkpoint(temp.path()), temp.path() / "checkpoint-000003");
}

TEST(Checkpoint, ARenamedOneIsRefused) {
  const TempFolder temp;
  const fs::path folder = Content(3).write(temp.path());
  fs::rename(folder, temp.path() / "checkpoint-000004");
  EXPECT_NE(refusal(temp.path() / "checkpoint-000004", ErrorKind::corrupt).find("holds step 3"),
            std::string::npos);
}

TEST(Checkpoint, DamageIsFoundAndNamed) {
  const TempFolder temp;
  const Content content(1);
  for (const std::string name : {"parameters.safetensors", "optimizer.safetensors"}) {
    const fs::path path = content.write(temp.path()) / name;
    const auto size = static_cast<int64_t>(fs::file_size(path));
    for (const int64_t at : {int64_t{0}, int64_t{9}, size / 2, size - 1}) {
      flip_byte(path, at);
      EXPECT_NE(refusal(path.parent_path(), ErrorKind::corrupt).find(path.string()),
                std::string::npos);
      flip_byte(path, at);
      EXPECT_EQ(checked_step(path.parent_path()), 1);
    }
    fs::resize_file(path, static_cast<uintmax_t>(size - 1));
    EXPECT_NE(refusal(path.parent_path(), ErrorKind::corrupt).find(name), std::string::npos);
    fs::remove(path);
    EXPECT_NE(refusal(path.parent_path(), ErrorKind::io).find(name), std::string::npos);
    fs::remove_all(path.parent_path());
  }
}

/// Any damaged byte outside of white space.
TEST(Checkpoint, DamagedStateIsFound) {
  const TempFolder temp;
  const fs::path path = Content(1).write(temp.path()) / "state.json";
  const std::string text = read_file(path);
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == ' ' || text[at] == '\n') continue;
    flip_byte(path, static_cast<int64_t>(at));
    EXPECT_NE(refusal(path.parent_path(), ErrorKind::corrupt).find("state.json"), std::string::npos)
        << at;
    flip_byte(path, static_cast<int64_t>(at));
  }
  EXPECT_EQ(checked_step(path.parent_path()), 1);
  fs::resize_file(path, text.size() / 2);
  EXPECT_FALSE(refusal(path.parent_path(), ErrorKind::corrupt).empty());
}

TEST(Checkpoint, WhatCannotBeWrittenIsAnIoErrorAndLeavesNothing) {
  const TempFolder temp;
  temp.write("file", "");
  try {
    (void)Content(1).write(temp.path() / "file");
    FAIL() << "a file is no folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
  }
  const Content content(2);
  const NamedTensors twice = {{"w", content.weight.view()}, {"w", content.weight.view()}};
  EXPECT_THROW(write_checkpoint(temp.path(), content.state, twice, {}, 2), Error);
  EXPECT_EQ(names_in(temp.path()), std::vector<std::string>{"file"});
}

/// A child writes one checkpoint after another and is killed at any moment.
TEST(Checkpoint, AKilledWriterLeavesACompleteNewestOne) {
  const TempFolder temp;
  int64_t step = 1;
  ASSERT_EQ(checked_step(Content(step).write(temp.path())), step);
  int leftovers = 0;
  for (int round = 0; round < 60; ++round) {
    int done[2];
    ASSERT_EQ(::pipe(done), 0);
    const pid_t pid = membank::testing::in_child([&] {
      for (int64_t next = step + 1;; ++next) {
        (void)Content(next).write(temp.path(), 1 + round % 3);
        if (::write(done[1], &next, sizeof(next)) != sizeof(next)) return 1;
      }
    });
    ::close(done[1]);
    int64_t reported = step;
    ASSERT_EQ(::read(done[0], &reported, sizeof(reported)), static_cast<ssize_t>(sizeof(reported)));
    ::usleep(static_cast<useconds_t>(137 * round % 4001));
    ::kill(pid, SIGKILL);
    ASSERT_EQ(membank::testing::wait_for(pid), -SIGKILL);
    while (::read(done[0], &reported, sizeof(reported)) == sizeof(reported)) {
    }
    ::close(done[0]);
    const auto newest = newest_checkpoint(temp.path());
    ASSERT_TRUE(newest.has_value());
    const int64_t found = checked_step(*newest);
    EXPECT_GE(found, reported) << "what was reported as written is there";
    EXPECT_LE(found, reported + 1);
    for (const std::string& name : names_in(temp.path())) leftovers += name.ends_with(".partial");
    step = found;
  }
  EXPECT_GT(leftovers, 0) << "kills came too early or too late";
  (void)Content(step + 1).write(temp.path(), 1);
  EXPECT_EQ(names_in(temp.path()).size(), 1U);
}

}  // namespace
}  // namespace memlong::train
