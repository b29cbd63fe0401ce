#include "tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace memlong::tokenizer {
namespace {

constexpr size_t kCharacters = 0x100 + 68;  // 68 bytes have no visible character of their own

/// The byte of each character; -1: none.
constexpr std::array<int16_t, kCharacters> make_alphabet() {
  std::array<int16_t, kCharacters> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  size_t next = 0x100;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    bytes[visible ? static_cast<size_t>(byte) : next++] = byte;
  }
  return bytes;
}
constexpr std::array<int16_t, kCharacters> kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_of_alphabet(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t character = static_cast<uint8_t>(text[i]);
    if (character >= 0x80) {  // all of the alphabet has one or two bytes
      if (character < 0xC2 || character >= 0xE0 || i + 1 == text.size()) return std::nullopt;
      character = (character & 0x1FU) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3FU);
    }
    if (character >= kCharacters || kAlphabet[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet[character]));
  }
  return bytes;
}

}  // namespace memlong::tokenizer
