#include "model/zip_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/refusal.h"
#include "support/torch_bytes.h"

namespace memlong::model {
namespace {

using test::le;
using test::zip_bytes;
using testing::HasSubstr;
using testing::StartsWith;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string refusal(const std::string& archive) {
  return refusal_of([&] { read_zip(bytes_of(archive), "x.bin"); });
}

std::string text_of(const ZipEntry& entry) {
  return {reinterpret_cast<const char*>(entry.data.data()), entry.data.size()};
}

/// `archive` with other bytes at the `nth` place where `mark` stands, counted from there.
std::string patched(std::string archive, const std::string& mark, size_t at,
                    const std::string& bytes, int nth = 0) {
  size_t found = archive.find(mark);
  for (; nth > 0; --nth) found = archive.find(mark, found + 1);
  EXPECT_NE(found, std::string::npos);
  return archive.replace(found + at, bytes.size(), bytes);
}

const std::string kLocal = "PK\3\4";
const std::string kCentral = "PK\1\2";
const std::string kEnd = "PK\5\6";
const std::string kEnd64 = "PK\6\6";
const std::string kLocator = "PK\6\7";

const test::ZipFiles kFiles = {{"a/one", "first"}, {"a/none", ""}, {"a/two", std::string(70, 'z')}};

TEST(ZipFile, EntriesLieWhereTheyAreStored) {
  for (const bool wide : {false, true}) {
    const std::string archive = zip_bytes(kFiles, wide);
    const ZipEntries entries = read_zip(bytes_of(archive), "x.bin");
    ASSERT_EQ(entries.size(), 3U);
    for (const auto& [name, content] : kFiles) {
      const ZipEntry& entry = entries.at(name);
      EXPECT_EQ(text_of(entry), content);
      EXPECT_EQ(entry.crc, test::crc_of(content));
      const auto offset = reinterpret_cast<const char*>(entry.data.data()) - archive.data();
      EXPECT_EQ(offset % 64, 0) << name;
    }
  }
}

TEST(ZipFile, NoEntriesAndAComment) {
  EXPECT_TRUE(read_zip(bytes_of(zip_bytes({})), "x").empty());
  std::string archive = zip_bytes(kFiles);
  archive.replace(archive.size() - 2, 2, le<uint16_t>(5));
  EXPECT_EQ(read_zip(bytes_of(archive + "hello"), "x").size(), 3U);
  EXPECT_THAT(refusal(archive + "hell"), HasSubstr("has no ZIP directory at its end"));
  EXPECT_THAT(refusal(archive + "hello!"), HasSubstr("has no ZIP directory at its end"));
}

TEST(ZipFile, ChecksumsAreThoseOfZip) {
  EXPECT_EQ(test::crc_of(""), 0U);
  EXPECT_EQ(test::crc_of("123456789"), 0xCBF43926U);
}

TEST(ZipFile, EveryCutIsRefused) {
  for (const bool wide : {false, true}) {
    const std::string archive = zip_bytes(kFiles, wide);
    for (size_t size = 0; size < archive.size(); ++size) {
      EXPECT_THAT(refusal(archive.substr(0, size)), StartsWith("x.bin: ")) << size;
    }
  }
}

TEST(ZipFile, WhatTorchDoesNotWriteIsRefused) {
  const std::string archive = zip_bytes(kFiles);
  EXPECT_THAT(refusal(patched(archive, kCentral, 10, le<uint16_t>(8))),
              HasSubstr("entry a/one is compressed"));
  EXPECT_THAT(refusal(patched(archive, kCentral, 20, le<uint32_t>(4))), HasSubstr("compressed"));
  EXPECT_THAT(refusal(patched(archive, kCentral, 8, le<uint16_t>(0x809))), HasSubstr("encrypted"));
  EXPECT_THAT(refusal(patched(archive, kEnd, 6, le<uint16_t>(1))), HasSubstr("several volumes"));
  EXPECT_THAT(refusal(zip_bytes({{"a", "1"}, {"a", "2"}})),
              HasSubstr("entry a stands in it twice"));
}

TEST(ZipFile, AbsurdPlacesAreRefused) {
  const std::string archive = zip_bytes(kFiles);
  for (const uint32_t absurd : {0xFFFFFFF0U, 0x80000000U, uint32_t(archive.size())}) {
    EXPECT_THAT(refusal(patched(archive, kEnd, 16, le(absurd))), HasSubstr("outside the file"));
    EXPECT_THAT(refusal(patched(archive, kEnd, 12, le(absurd))), HasSubstr("outside the file"));
    EXPECT_THAT(refusal(patched(archive, kCentral, 42, le(absurd))),
                HasSubstr("entry a/one is not where the ZIP directory says"));
    const std::string size = le(absurd);
    EXPECT_THAT(refusal(patched(archive, kCentral, 20, size + size, 2)),
                HasSubstr("entry a/two reaches beyond"));
  }
  EXPECT_THAT(refusal(patched(archive, kEnd, 10, le<uint16_t>(0xFFFE))), HasSubstr("outside"));
  EXPECT_THAT(refusal(patched(archive, kEnd, 10, le<uint16_t>(2))), HasSubstr("more bytes than"));
  EXPECT_THAT(refusal(patched(archive, kEnd, 10, le<uint16_t>(4))), HasSubstr("is damaged"));
  EXPECT_THAT(refusal(patched(archive, kCentral, 30, le<uint16_t>(0xFFFF), 2)),
              HasSubstr("directory is damaged"));
  EXPECT_THAT(refusal(patched(archive, kCentral, 42, le<uint32_t>(0), 1)),
              HasSubstr("entry a/none is not where"));
  EXPECT_THAT(refusal(patched(archive, kLocal, 28, le<uint16_t>(0xFFFF), 2)),
              HasSubstr("entry a/two reaches beyond"));
  EXPECT_THAT(refusal(patched(archive, kLocal, 8, le<uint16_t>(8))), HasSubstr("is not where"));
  EXPECT_THAT(refusal(patched(archive, kLocal, 30, "b")), HasSubstr("is not where"));
}

TEST(ZipFile, EntriesThatOverlapAreRefused) {
  const std::string size = le<uint32_t>(100);
  EXPECT_THAT(refusal(patched(zip_bytes(kFiles), kCentral, 20, size + size)),
              HasSubstr("entry a/none overlaps the one before"));
  const std::string one = le<uint32_t>(6);  // a byte too much
  EXPECT_THAT(refusal(patched(zip_bytes(kFiles), kCentral, 20, one + one)), HasSubstr("overlaps"));
}

TEST(ZipFile, BrokenZip64FieldsAreRefused) {
  const std::string archive = zip_bytes(kFiles, true);
  EXPECT_THAT(refusal(patched(archive, kLocator, 0, "PK\6\1")),
              HasSubstr("ZIP64 directory is mis"));
  for (const uint64_t absurd : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{0}, archive.size()}) {
    EXPECT_THAT(refusal(patched(archive, kLocator, 8, le(absurd))), HasSubstr("is not where"));
  }
  for (const uint64_t absurd : {~uint64_t{0}, uint64_t{1} << 63, archive.size()}) {
    for (const size_t field : {32, 40, 48}) {
      EXPECT_THAT(refusal(patched(archive, kEnd64, field, le(absurd))), HasSubstr("outside"));
    }
    const std::string extra = le<uint16_t>(1) + le<uint16_t>(24);
    EXPECT_THAT(refusal(patched(archive, extra, 20, le(absurd))), HasSubstr("is not where"));
    EXPECT_THAT(refusal(patched(archive, extra, 4, le(absurd) + le(absurd))), HasSubstr("beyond"));
    EXPECT_THAT(refusal(patched(archive, extra, 0, le<uint16_t>(2))), HasSubstr("no ZIP64 sizes"));
    EXPECT_THAT(refusal(patched(archive, extra, 2, le<uint16_t>(16))), HasSubstr("no ZIP64 sizes"));
    EXPECT_THAT(refusal(patched(archive, extra, 2, le<uint16_t>(99))), HasSubstr("no ZIP64 sizes"));
  }
}

}  // namespace
}  // namespace memlong::model
