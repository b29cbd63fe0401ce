#include "tokenizer/unicode_form.h"

#include <algorithm>
#include <array>
#include <utf8proc.h>
#include <vector>

#include "common/error.h"

namespace memlong::tokenizer {
namespace {

constexpr int kOptions[] = {UTF8PROC_STABLE | UTF8PROC_COMPOSE,
                            UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
                            UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                            UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};

using Characters = std::vector<utf8proc_int32_t>;

Characters decompose(std::string_view text, utf8proc_option_t options) {
  Characters all;
  all.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t character = 0;
    const auto bytes =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(&text[at]),
                         static_cast<utf8proc_ssize_t>(text.size() - at), &character);
    MEMLONG_CHECK(bytes > 0, "text that is no UTF-8");
    at += static_cast<size_t>(bytes);
    std::array<utf8proc_int32_t, 32> parts{};  // the longest decomposition has 18
    int boundary = 0;
    const auto count =
        utf8proc_decompose_char(character, parts.data(), parts.size(), options, &boundary);
    MEMLONG_CHECK(count >= 0 && static_cast<size_t>(count) <= parts.size(), "a long decomposition");
    all.insert(all.end(), parts.begin(), parts.begin() + count);
  }
  return all;
}

/// Combining marks in the order of their classes. The library's own way swaps neighbours, which
/// takes quadratic time where somebody piles marks up.
void sort_marks(Characters& all) {
  const auto rank = [](utf8proc_int32_t one) {
    return utf8proc_get_property(one)->combining_class;
  };
  for (auto at = all.begin(); at != all.end();) {
    const auto end = std::find_if(at, all.end(), [&](auto one) { return rank(one) == 0; });
    std::stable_sort(at, end, [&](auto a, auto b) { return rank(a) < rank(b); });
    at = std::find_if(end, all.end(), [&](auto one) { return rank(one) != 0; });
  }
}

}  // namespace

std::string to_form(std::string_view text, UnicodeForm form) {
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  if (ascii) return std::string(text);  // the same in every form
  const auto options = static_cast<utf8proc_option_t>(kOptions[static_cast<size_t>(form)]);
  Characters all = decompose(text, options);
  sort_marks(all);
  const auto count =
      utf8proc_normalize_utf32(all.data(), static_cast<utf8proc_ssize_t>(all.size()), options);
  MEMLONG_CHECK(count >= 0, utf8proc_errmsg(count));
  std::string out;
  out.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto size = utf8proc_encode_char(all[static_cast<size_t>(i)], bytes.data());
    out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size));
  }
  return out;
}

}  // namespace memlong::tokenizer
