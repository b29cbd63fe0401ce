#include "tokenizer/text_parts.h"

#include <cstdint>

#include "common/utf8.h"

namespace memlong::tokenizer {
namespace {

/// Whether a visible character begins here. Where this cannot be told from its first byte (white
/// space beyond ASCII begins with C2 and E1 to E3), no.
bool visible_at(std::string_view text, size_t at) {
  const auto byte = static_cast<uint8_t>(text[at]);
  return (byte > ' ' && byte < 0x7F) || (byte >= 0xC3 && byte <= 0xE0) || byte >= 0xE4;
}

bool visible_before(std::string_view text, size_t at) {
  return at > 0 && visible_at(text, character_floor(text, at - 1));
}

/// The last place in the second half that fits; 0: none.
template <class Fits>
size_t last_place(size_t limit, Fits fits) {
  for (size_t cut = limit; cut > limit / 2; --cut) {
    if (fits(cut)) return cut;
  }
  return 0;
}

}  // namespace

std::string_view first_part(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  const auto behind_line = [&](size_t cut) { return text[cut - 1] == '\n' && text[cut] != '\n'; };
  size_t place =
      last_place(limit, [&](size_t cut) { return text[cut] == ' ' && visible_before(text, cut); });
  if (place == 0) {
    place = last_place(limit, [&](size_t cut) {
      return behind_line(cut) && visible_at(text, cut) && visible_before(text, cut - 1);
    });
  }
  if (place == 0) {
    place = last_place(limit, [&](size_t cut) { return behind_line(cut) && text[cut] != '\r'; });
  }
  if (place == 0) {
    place = last_place(limit, [&](size_t cut) { return text[cut] == ' ' && text[cut - 1] != ' '; });
  }
  return text.substr(0, place > 0 ? place : character_floor(text, limit));
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
