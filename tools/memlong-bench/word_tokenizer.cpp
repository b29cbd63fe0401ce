#include "tools/memlong-bench/word_tokenizer.h"

#include <functional>

namespace memlong::bench_tool {
namespace {

constexpr std::string_view kBlanks = " \n\t\r";
constexpr int32_t kFirst = 3;  ///< ids below it are special

}  // namespace

tokenizer::Ids WordTokenizer::encode(std::string_view text, bool /*continues*/) const {
  tokenizer::Ids ids;
  size_t at = text.find_first_not_of(kBlanks);
  while (at != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    const size_t code = std::hash<std::string_view>{}(text.substr(at, end - at));
    ids.push_back(kFirst + static_cast<int32_t>(code % static_cast<size_t>(vocab_ - kFirst)));
    at = text.find_first_not_of(kBlanks, end);
  }
  return ids;
}

std::string WordTokenizer::decode(std::span<const int32_t> ids, bool /*show_special*/) const {
  std::string text;
  for (const int32_t id : ids) text += piece_bytes(id);
  return text;
}

std::string WordTokenizer::piece_bytes(int32_t id) const { return std::to_string(id) + " "; }

std::optional<int32_t> WordTokenizer::special_id(std::string_view /*text*/) const {
  return std::nullopt;
}

}  // namespace memlong::bench_tool
