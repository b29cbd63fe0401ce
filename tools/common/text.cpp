#include "tools/common/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace memlong::tools {
namespace {

struct Character {
  char32_t code = 0;
  size_t bytes = 0;  ///< 0: not UTF-8
};

/// The character at `at`; overlong forms, surrogates and values past U+10FFFF are no characters.
Character character_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) return {};
  char32_t code = first & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, length};
}

bool is_harmful(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string spelled(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  if (c == '\r') return "\\r";
  char buffer[12];
  std::snprintf(buffer, sizeof(buffer), c < 0x100 ? "\\x%02x" : "\\u%04x",
                static_cast<unsigned>(c));
  return buffer;
}

}  // namespace

std::string escape_terminal(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (c.bytes == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
      continue;
    }
    const bool kept = keep_lines && (c.code == '\n' || c.code == '\t');
    if (is_harmful(c.code) && !kept) {
      out += spelled(c.code);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out;
}

std::string escape_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    const Character c = character_at(json, at);
    const size_t bytes = std::max<size_t>(c.bytes, 1);
    if (c.code >= 0x7F && is_harmful(c.code)) {
      char buffer[12];
      std::snprintf(buffer, sizeof(buffer), "\\u%04x", static_cast<unsigned>(c.code));
      out += buffer;
    } else {
      out += json.substr(at, bytes);
    }
    at += bytes;
  }
  return out;
}

std::string cut(std::string_view text, size_t width) {
  const std::string safe = escape_terminal(text);
  if (display_width(safe) <= width) return safe;
  std::string out;
  size_t columns = 0;
  for (const char c : safe) {
    const bool starts = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    if (starts && ++columns + 3 > width) break;
    out += c;
  }
  return out + "...";
}

std::string one_line(std::string_view text, size_t width) {
  std::string flat;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!blank) {
      flat += c;
    } else if (!flat.empty() && flat.back() != ' ') {
      flat += ' ';
    }
    if (flat.size() > 8 * width + 16) break;
  }
  if (!flat.empty() && flat.back() == ' ') flat.pop_back();
  return cut(flat, width);
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) ++width;
  }
  return width;
}

std::string fixed(double value, int decimals) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*f", decimals, value);
  return buffer;
}

std::string human_bytes(double bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  while (bytes >= 1023.95 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fixed(bytes, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

std::string human_count(double count) {
  constexpr std::array<const char*, 4> kUnits = {"", "k", "M", "G"};
  size_t unit = 0;
  while (std::fabs(count) >= 999.95 && unit + 1 < kUnits.size()) {
    count /= 1000;
    ++unit;
  }
  const bool whole = unit == 0 && (count == std::floor(count) || count >= 100);
  return fixed(count, whole ? 0 : 1) + kUnits[unit];
}

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 0) seconds = 0;
  if (seconds < 9.95) return fixed(seconds, 1) + "s";
  const auto whole = static_cast<int64_t>(std::llround(std::fmin(seconds, 1e15)));
  const auto pair = [](int64_t big, const char* unit, int64_t small, const char* rest) {
    return std::to_string(big) + unit + (small < 10 ? "0" : "") + std::to_string(small) + rest;
  };
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) return pair(whole / 60, "m", whole % 60, "s");
  if (whole < 86400) return pair(whole / 3600, "h", whole % 3600 / 60, "m");
  return pair(whole / 86400, "d", whole % 86400 / 3600, "h");
}

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

std::string group_digits(int64_t value) {
  const std::string digits = std::to_string(value);
  const size_t sign = value < 0 ? 1 : 0;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += ' ';
    out += digits[i];
  }
  return out;
}

}  // namespace memlong::tools
