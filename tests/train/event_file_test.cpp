#include "train/event_file.h"

#include <bit>
#include <cstring>
#include <map>
#include <span>
#include <sstream>

#include <gtest/gtest.h>

#include "common/hash.h"
#include "support/temp_folder.h"

namespace memlong::train {
namespace {

template <class T>
T number(const std::string& bytes, size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

uint32_t unmask(uint32_t crc) { return std::rotl(crc - 0xA282EAD8U, 15); }

uint32_t crc_of(const std::string& bytes) { return crc32c(std::as_bytes(std::span(bytes))); }

/// Data of the records; both checksums of each must be right.
std::vector<std::string> records(const std::filesystem::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string bytes = content.str();
  std::vector<std::string> found;
  for (size_t at = 0; at < bytes.size();) {
    const auto size = number<uint64_t>(bytes, at);
    EXPECT_EQ(unmask(number<uint32_t>(bytes, at + 8)), crc_of(bytes.substr(at, 8)));
    found.push_back(bytes.substr(at + 12, size));
    EXPECT_EQ(unmask(number<uint32_t>(bytes, at + 12 + size)), crc_of(found.back()));
    at += 12 + size + 4;
  }
  return found;
}

uint64_t varint(const std::string& bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.at(at++));
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

/// Fields of a protobuf message by number: the raw bytes, varints as eight of them.
std::multimap<uint64_t, std::string> fields(const std::string& message) {
  std::multimap<uint64_t, std::string> found;
  for (size_t at = 0; at < message.size();) {
    const uint64_t key = varint(message, at);
    size_t size = 0;
    if (key % 8 == 0) {
      const uint64_t value = varint(message, at);
      found.emplace(key / 8, std::string(std::bit_cast<std::array<char, 8>>(value).data(), 8));
      continue;
    }
    if (key % 8 == 1) size = 8;
    if (key % 8 == 5) size = 4;
    if (key % 8 == 2) size = varint(message, at);
    found.emplace(key / 8, message.substr(at, size));
    at += size;
  }
  return found;
}

std::string field(const std::string& message, uint64_t which) {
  const auto all = fields(message);
  EXPECT_EQ(all.count(which), 1U) << "field " << which;
  return all.find(which)->second;
}

TEST(EventFile, HoldsWhatTensorBoardReads) {
  const test::TempFolder folder;
  EventFile file(folder.path() / "tensorboard", 201);
  file.scalars(300, {{"train/loss", 2.5}, {"lr", 3e-4}});
  EXPECT_NE(file.path().string().find("tfevents."), std::string::npos);
  const auto events = records(file.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(field(events[0], 3), "brain.Event:2");
  EXPECT_EQ(number<uint64_t>(field(events[1], 2), 0), 201U);
  EXPECT_EQ(number<uint64_t>(field(field(events[1], 7), 1), 0), 1U);

  EXPECT_GT(number<double>(field(events[2], 1), 0), 1.6e9);
  EXPECT_EQ(number<uint64_t>(field(events[2], 2), 0), 300U);
  const auto values = fields(field(events[2], 5));
  ASSERT_EQ(values.count(1), 2U);
  const std::string& loss = values.begin()->second;
  EXPECT_EQ(field(loss, 1), "train/loss");
  EXPECT_EQ(number<float>(field(loss, 2), 0), 2.5F);
  EXPECT_EQ(field(std::next(values.begin())->second, 1), "lr");
}

TEST(EventFile, KnownBytesOfACountersRecord) {
  // Step 1, the tag "a", 1.0: the summary's bytes as protobuf's own encoder gives them.
  const test::TempFolder folder;
  EventFile file(folder.path(), 0);
  file.scalars(1, {{"a", 1.0}});
  const std::string summary = field(records(file.path()).back(), 5);
  EXPECT_EQ(summary, std::string("\x0a\x08\x0a\x01\x61\x15\x00\x00\x80\x3f", 10));
}

TEST(EventFile, NewFilesDoNotTouchOlderOnes) {
  const test::TempFolder folder;
  EventFile first(folder.path(), 0);
  EventFile second(folder.path(), 5);
  EXPECT_LT(first.path(), second.path());
  EXPECT_EQ(records(first.path()).size(), 2U);
}

}  // namespace
}  // namespace memlong::train
