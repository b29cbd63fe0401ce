#include "tokenizer/text_parts.h"

#include <cstdint>

#include "tokenizer/utf8.h"

namespace memlong::tokenizer {
namespace {

/// A visible character of ASCII; a byte beyond may be part of white space (U+00A0, U+3000).
bool visible(char value) {
  const auto byte = static_cast<uint8_t>(value);
  return byte > ' ' && byte < 0x7F;
}

}  // namespace

std::string_view first_part(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  const size_t lowest = limit / 2;
  for (size_t cut = limit - 1; cut > lowest; --cut) {
    if (text[cut] == ' ' && visible(text[cut - 1]) && visible(text[cut + 1])) {
      return text.substr(0, cut);
    }
  }
  for (size_t cut = limit; cut > lowest; --cut) {
    if (text[cut - 1] == '\n' && text[cut] != '\n' && text[cut] != '\r') return text.substr(0, cut);
  }
  for (size_t cut = limit; cut > lowest; --cut) {
    if (text[cut] == ' ' && text[cut - 1] != ' ') return text.substr(0, cut);
  }
  return text.substr(0, character_floor(text, limit));
}

std::string merge_spaces(std::string_view text) {
  std::string merged;
  merged.reserve(text.size());
  for (const char c : text) {
    if (c != ' ' || merged.empty() || merged.back() != ' ') merged.push_back(c);
  }
  return merged;
}

}  // namespace memlong::tokenizer
