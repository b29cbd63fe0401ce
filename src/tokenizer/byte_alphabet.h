// The visible characters that stand for bytes in byte-level vocabularies (GPT-2's).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace memlong::tokenizer {

/// The bytes that a token's text stands for: '!' to '~', U+00A1 to U+00AC and U+00AE to U+00FF for
/// themselves, U+0100 and up for the other bytes in their order. Nothing where another character is
/// in it.
std::optional<std::string> bytes_of_alphabet(std::string_view text);

}  // namespace memlong::tokenizer
