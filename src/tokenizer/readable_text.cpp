#include "tokenizer/readable_text.h"

#include <algorithm>

namespace memlong::tokenizer {

std::string readable_text(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                          std::string_view divider) {
  std::string text;
  const auto special = [&tokenizer](int32_t id) { return tokenizer.is_special(id); };
  for (auto begin = ids.begin(); begin != ids.end();) {
    const auto end = std::find_if(begin, ids.end(), special);
    const std::string part = tokenizer.decode(std::span(begin, end));
    if (part.find_first_not_of(" \t\r\n") != std::string::npos) {
      if (!text.empty()) text += divider;
      text += part;
    }
    begin = std::find_if_not(end, ids.end(), special);
  }
  return text;
}

}  // namespace memlong::tokenizer
