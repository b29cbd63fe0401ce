#include "common/utf8.h"

#include <algorithm>
#include <cstdint>

namespace memlong {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// How many bytes a character has that begins with `lead`, and what its second byte may be
/// (this excludes overlong forms, surrogates and values past U+10FFFF). length 0: no lead byte.
struct Lead {
  size_t length = 0;
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

/// The bytes at the front of `text` that belong together, and whether they are a whole character.
struct Step {
  size_t length = 1;
  bool whole = false;
  bool cut = false;  ///< the text ended before the character did
};

Step next_step(std::string_view text) {
  const Lead lead = lead_of(static_cast<uint8_t>(text[0]));
  if (lead.length == 0) return {};
  size_t good = 1;
  while (good < lead.length && good < text.size()) {
    const auto byte = static_cast<uint8_t>(text[good]);
    const bool fits =
        good == 1 ? byte >= lead.low && byte <= lead.high : byte >= 0x80 && byte <= 0xBF;
    if (!fits) return {good, false, false};
    ++good;
  }
  return {good, good == lead.length, good < lead.length};
}

}  // namespace

std::string take_characters(std::string& pending) {
  std::string text;
  size_t at = 0;
  while (at < pending.size()) {
    const Step step = next_step(std::string_view(pending).substr(at));
    if (step.cut) break;
    if (step.whole) {
      text.append(pending, at, step.length);
    } else {
      text += kReplacement;
    }
    at += step.length;
  }
  pending.erase(0, at);
  return text;
}

std::string take_rest(std::string& pending) {
  std::string text = take_characters(pending);
  if (!pending.empty()) text += kReplacement;
  pending.clear();
  return text;
}

size_t character_length(std::string_view text) { return next_step(text).length; }

size_t character_floor(std::string_view text, size_t at) {
  if (at >= text.size()) return text.size();
  const size_t lowest = at - std::min<size_t>(at, 3);
  for (size_t i = at; i > lowest; --i) {
    if ((static_cast<uint8_t>(text[i]) & 0xC0U) != 0x80U) return i;
  }
  return (static_cast<uint8_t>(text[lowest]) & 0xC0U) != 0x80U ? lowest : at;
}

}  // namespace memlong
