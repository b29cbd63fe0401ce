// Small sentencepiece models, put together byte by byte.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace memlong::fuzz {

/// A field of a protobuf message: a short text, message or number.
inline std::string text_field(int number, std::string_view text) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (size_t size = text.size(); true; size >>= 7) {
    out.push_back(static_cast<char>((size & 0x7F) | (size >= 0x80 ? 0x80 : 0)));
    if (size < 0x80) break;
  }
  return out.append(text);
}
inline std::string number_field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

inline std::string piece(std::string_view text, float score, int type) {
  std::string body = text_field(1, text) + static_cast<char>(2 << 3 | 5);
  body.append(reinterpret_cast<const char*>(&score), sizeof(score));
  return text_field(1, body + number_field(3, type));
}

/// A model as Llama's, with some twenty pieces: `type` 1 unigram, 2 BPE; with a piece for every
/// byte, or without.
inline std::string tiny_model(int type, bool bytes) {
  std::string out = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3);
  out += piece("<|user|>", 0, 4);
  for (int i = 0; bytes && i < 256; ++i) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", i);
    out += piece(text, 0, 6);
  }
  float score = -1;
  for (const char* text : {"\xE2\x96\x81",
                           "a",
                           "b",
                           "c",
                           "d",
                           "e",
                           "h",
                           "l",
                           "o",
                           "r",
                           "w",
                           "he",
                           "ll",
                           "\xE2\x96\x81h",
                           "\xE2\x96\x81hello",
                           "hello",
                           "lo",
                           "or",
                           "\n",
                           "\xC3\xA9"}) {
    out += piece(text, score, 1);
    score -= 1;
  }
  out += text_field(
      2, number_field(3, type) + (bytes ? std::string("\x98\x02\x01", 3) : std::string()));
  return out + text_field(3, text_field(1, "identity") + number_field(3, 1) + number_field(4, 0));
}

}  // namespace memlong::fuzz
