#include "common/hash.h"

#include <vector>

#include <gtest/gtest.h>

namespace memlong {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c({}), 0U);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283U);
  // RFC 3720, B.4.
  std::vector<std::byte> data(32, std::byte{0});
  EXPECT_EQ(crc32c(data), 0x8A9136AAU);
  data.assign(32, std::byte{0xFF});
  EXPECT_EQ(crc32c(data), 0x62A8AB43U);
  for (int i = 0; i < 32; ++i) data[static_cast<size_t>(i)] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(data), 0x46DD794EU);
  for (int i = 0; i < 32; ++i) data[static_cast<size_t>(i)] = static_cast<std::byte>(31 - i);
  EXPECT_EQ(crc32c(data), 0x113FDB5CU);
}

TEST(Crc32c, PiecesContinue) {
  const std::string_view text = "The quick brown fox jumps over the lazy dog";
  const uint32_t whole = crc32c(bytes_of(text));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(bytes_of(text.substr(cut)), crc32c(bytes_of(text.substr(0, cut)))), whole);
  }
}

/// Bit by bit, as the polynomial says.
uint32_t plain_crc32c(std::span<const std::byte> data) {
  uint32_t state = 0xFFFFFFFFU;
  for (const std::byte byte : data) {
    state ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1) ? 0x82F63B78U : 0U);
  }
  return ~state;
}

TEST(Crc32c, LongDataOfEveryLengthIsSummedAsItIsDefined) {
  std::vector<std::byte> data(3 * 3072 + 7);
  uint32_t number = 1;
  for (std::byte& byte : data) byte = static_cast<std::byte>((number = number * 69069 + 1) >> 24);
  for (const size_t size : {1023U, 3071U, 3072U, 3073U, 3079U, 6144U, 9215U, 9216U, 9223U}) {
    const auto part = std::span<const std::byte>(data).first(size);
    EXPECT_EQ(crc32c(part), plain_crc32c(part)) << size;
    EXPECT_EQ(crc32c(part.subspan(5), crc32c(part.first(5))), plain_crc32c(part)) << size;
  }
}

TEST(Crc32c, UnalignedDataGivesTheSame) {
  std::string padded = "xyz123456789";
  EXPECT_EQ(crc32c(bytes_of(std::string_view(padded).substr(3))), 0xE3069283U);
}

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesAndMovesGiveTheSame) {
  Sha256 hash;
  hash.update(std::string_view("a"));
  Sha256 moved = std::move(hash);
  moved.update(bytes_of("bc"));
  EXPECT_EQ(moved.finish(), sha256("abc"));
}

TEST(Hex, TwoDigitsAByte) {
  const std::vector<uint8_t> bytes = {0x00, 0x0F, 0xA5, 0xFF};
  EXPECT_EQ(to_hex(bytes), "000fa5ff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Base64, KnownVectors) {
  EXPECT_EQ(to_base64({}), "");
  EXPECT_EQ(to_base64(bytes_of("f")), "Zg==");
  EXPECT_EQ(to_base64(bytes_of("fo")), "Zm8=");
  EXPECT_EQ(to_base64(bytes_of("foobar")), "Zm9vYmFy");
  EXPECT_EQ(to_base64(bytes_of("\xff\xfe\xfb")), "//77");
}

}  // namespace
}  // namespace memlong
