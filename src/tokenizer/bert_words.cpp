#include "tokenizer/bert_words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utf8proc.h>

#include "common/utf8.h"
#include "tokenizer/unicode_form.h"

namespace memlong::tokenizer {
namespace {

using Character = utf8proc_int32_t;

/// Calls fn with each character of valid UTF-8.
template <class Fn>
void for_each_character(std::string_view text, Fn fn) {
  while (!text.empty()) {
    Character one = 0;
    utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                     static_cast<utf8proc_ssize_t>(text.size()), &one);
    fn(one);
    text.remove_prefix(character_length(text));
  }
}

void append(std::string& text, Character one) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto size = utf8proc_encode_char(one, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size));
}

bool is_white_space(Character one) {
  if ((one >= '\t' && one <= '\r') || one == ' ' || one == 0x85) return true;
  const auto category = utf8proc_category(one);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

bool is_control(Character one) {
  if (one == '\t' || one == '\n' || one == '\r') return false;
  const auto category = utf8proc_category(one);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_CO;
}

/// The marks of ASCII that Unicode calls symbols ("$", "+", "~") count, too.
bool is_punctuation(Character one) {
  if (one < 0x80) return one > ' ' && one < 0x7F && !std::isalnum(static_cast<int>(one));
  const auto category = utf8proc_category(one);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/// The blocks of Chinese characters that BERT names.
bool is_chinese(Character one) {
  static constexpr std::pair<Character, Character> kBlocks[] = {
      {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
      {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::ranges::any_of(
      kBlocks, [&](const auto& block) { return one >= block.first && one <= block.second; });
}

void append_lower(std::string& text, Character one) {
  append(text, one == 0x130 ? 'i' : utf8proc_tolower(one));
  if (one == 0x130) append(text, 0x307);  // the one letter whose lower case is two characters
}

std::string spaced(std::string_view text, const BertRules& rules) {
  std::string out;
  for_each_character(text, [&](Character one) {
    if (rules.clean && (one == 0 || one == 0xFFFD || is_control(one))) return;
    if (rules.split_chinese && is_chinese(one)) {
      out += ' ';
      append(out, one);
      out += ' ';
    } else {
      append(out, rules.clean && is_white_space(one) ? ' ' : one);
    }
  });
  return out;
}

std::string plain(std::string text, const BertRules& rules) {
  if (rules.strip_accents) text = to_form(text, UnicodeForm::nfd);
  std::string out;
  for_each_character(text, [&](Character one) {
    if (rules.strip_accents && utf8proc_category(one) == UTF8PROC_CATEGORY_MN) return;
    if (rules.lower_case) {
      append_lower(out, one);
    } else {
      append(out, one);
    }
  });
  return out;
}

}  // namespace

std::vector<std::string> bert_words(std::string_view text, const BertRules& rules) {
  std::string bytes(text);
  const std::string valid = take_rest(bytes);
  std::vector<std::string> words;
  bool open = false;
  for_each_character(plain(spaced(valid, rules), rules), [&](Character one) {
    if (is_white_space(one)) {
      open = false;
      return;
    }
    const bool alone = is_punctuation(one);
    if (!open || alone) words.emplace_back();
    append(words.back(), one);
    open = !alone;
  });
  return words;
}

}  // namespace memlong::tokenizer
