// Tokens by their texts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace memlong::tokenizer {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Looked up without a copy of the text.
using Vocabulary = std::unordered_map<std::string, int32_t, TextHash, std::equal_to<>>;

}  // namespace memlong::tokenizer
