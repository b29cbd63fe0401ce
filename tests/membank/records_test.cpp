#include "membank/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/manifest.h"

namespace memlong::membank {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::small_fingerprint;

// The bytes of docs/formats/membank.md: a change here is a change of the format.
TEST(Records, KeysAreBigEndianAndValuesLittle) {
  EXPECT_EQ(to_hex({reinterpret_cast<const uint8_t*>(key_u64(0x0102).data()), 8}),
            "0000000000000102");
  EXPECT_EQ(key_u64_u32(1, 2), std::string("\0\0\0\0\0\0\0\1\0\0\0\2", 12));
  EXPECT_EQ(encode_u32(0x01020304), "\x04\x03\x02\x01");
  EXPECT_LT(key_u64(255), key_u64(256));
  EXPECT_EQ(read_big_u64(key_u64_u64(7, 9), 8), 9U);
}

TEST(Records, AChunkByteByByte) {
  ChunkInfo info;
  info.document = 5;
  info.begin = 64;
  info.created = 258;
  info.name_space_id = 3;
  const std::vector<int32_t> ids = {1, -2};
  const std::string body = encode_chunk(info, ids, "tail");
  const std::string want(
      "\5\0\0\0\0\0\0\0"
      "\x40\0\0\0\0\0\0\0"
      "\2\1\0\0\0\0\0\0"
      "\3\0\0\0"
      "\2\0\0\0"
      "\1\0\0\0"
      "\xFE\xFF\xFF\xFF"
      "tail",
      44);
  EXPECT_EQ(body, want);
  const ChunkInfo back = decode_chunk(8, body);
  EXPECT_EQ(back.id, 8U);
  EXPECT_EQ(back.begin, 64);
  EXPECT_EQ(back.tokens, 2);
  EXPECT_EQ(decode_chunk_tokens(body), ids);
  EXPECT_EQ(chunk_kv_tail(body), "tail");
}

TEST(Records, TheChecksumCoversKeyAndValue) {
  // CRC-32C of "123456789" is 0xE3069283 (RFC 3720's check value).
  EXPECT_EQ(seal("1234", "56789"), std::string("56789\x83\x92\x06\xE3"));
  const std::string value = seal("key", "value");
  EXPECT_TRUE(intact("key", value));
  EXPECT_FALSE(intact("kez", value));
  EXPECT_FALSE(intact("key", "valuf" + value.substr(5)));
  EXPECT_FALSE(intact("key", "abc"));
  EXPECT_EQ(open_record("docs", "key", value), "value");
  const Error error = error_of([&] { open_record("docs", key_u64(12), value); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("record 12 of database docs"));
}

TEST(Records, ShortBodiesAreCorrupt) {
  const std::string body = encode_turn({"user", "hello", 1, 2, 3, 4, 5});
  EXPECT_EQ(decode_turn(body).content, "hello");
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_EQ(error_of([&] { decode_turn(body.substr(0, size)); }).kind(), ErrorKind::corrupt);
  }
}

TEST(Records, VectorsAreHalves) {
  const std::vector<float> vector = {1.0F, -0.333333F, 65504.0F, 1e-9F, 0.5F,
                                     2.0F, 3.0F,       4.0F,     5.5F};
  std::vector<float> back(vector.size());
  decode_vector(encode_vector(vector), back);
  EXPECT_EQ(back[0], 1.0F);
  EXPECT_NEAR(back[1], -0.333333F, 2e-4);
  EXPECT_EQ(back[2], 65504.0F);
  EXPECT_EQ(back[3], 0.0F);
  EXPECT_EQ(back[8], 5.5F);
  EXPECT_EQ(
      error_of([&] { decode_vector(encode_vector(vector), std::span(back).first(3)); }).kind(),
      ErrorKind::corrupt);
  EXPECT_EQ(error_of([] { encode_vector(std::vector<float>{NAN}); }).kind(), ErrorKind::usage);
}

TEST(Manifest, RoundTripAndUnknownVersions) {
  Fingerprint f = small_fingerprint();
  f.kv_dtype = DType::f16;
  const std::string json = encode_manifest(f);
  EXPECT_EQ(decode_manifest(json, "b"), f);
  std::string newer = json;
  newer.replace(newer.find("\"version\":1"), 11, "\"version\":2");
  const Error error = error_of([&] { decode_manifest(newer, "b"); });
  EXPECT_EQ(error.kind(), ErrorKind::mismatch);
  EXPECT_THAT(error.what(), HasSubstr("format version 2"));
  EXPECT_EQ(error_of([] { decode_manifest("{}", "b"); }).kind(), ErrorKind::corrupt);
  EXPECT_EQ(error_of([] { decode_manifest("}", "b"); }).kind(), ErrorKind::corrupt);
  EXPECT_EQ(decode_manifest(json.substr(0, json.size() - 1) + ",\"later\":1}", "b"), f);
}

TEST(Manifest, NumbersThatDoNotFitAreNotCutToSize) {
  const std::string json = encode_manifest(small_fingerprint());
  for (const char* number : {"4294967297", "18446744073709551617", "1e300", "1.0", "-1"}) {
    for (const char* key : {"\"version\":", "\"kv_heads\":", "\"memory_layer\":"}) {
      std::string other = json;
      const size_t at = other.find(key) + std::string_view(key).size();
      other.replace(at, other.find_first_of(",}", at) - at, number);
      const Error error = error_of([&] { decode_manifest(other, "b"); });
      EXPECT_EQ(error.kind(), ErrorKind::corrupt) << key << number << ": " << error.what();
    }
  }
}

TEST(Records, AChunkWithFewerIdsThanItSaysIsRefused) {
  const std::vector<int32_t> ids = {1, 2, 3};
  const std::string body = encode_chunk({}, ids, "");
  EXPECT_EQ(error_of([&] { decode_chunk(1, body.substr(0, body.size() - 1)); }).kind(),
            ErrorKind::corrupt);
  std::string lying = body;
  lying.replace(28, 4, "\xFF\xFF\xFF\xFF");
  EXPECT_EQ(error_of([&] { decode_chunk(1, lying); }).kind(), ErrorKind::corrupt);
}

}  // namespace
}  // namespace memlong::membank
