// Text to words, as BERT's tokenizers cut it before they look words up. Internal to the tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace memlong::tokenizer {

struct BertRules {
  bool clean = true;          ///< no control characters; every white space is a space
  bool split_chinese = true;  ///< each Chinese character is a word of its own
  bool strip_accents = true;
  bool lower_case = true;
};

/// Words between white space; each punctuation mark is one. Characters are as Unicode 14 knows
/// them; each becomes lower case by itself. Bytes that are no UTF-8 count as U+FFFD.
std::vector<std::string> bert_words(std::string_view text, const BertRules& rules);

}  // namespace memlong::tokenizer
