#include "tokenizer/text_parts.h"

#include "tokenizer/utf8.h"

namespace memlong::tokenizer {

std::string_view first_part(std::string_view text) {
  if (text.size() <= kPartBytes) return text;
  constexpr size_t kLowest = kPartBytes / 2;
  for (size_t cut = kPartBytes; cut > kLowest; --cut) {
    if (text[cut - 1] == '\n' && text[cut] != '\n') return text.substr(0, cut);
  }
  for (size_t cut = kPartBytes; cut > kLowest; --cut) {
    if (text[cut] == ' ' && text[cut - 1] != ' ') return text.substr(0, cut);
  }
  return text.substr(0, character_floor(text, kPartBytes));
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
