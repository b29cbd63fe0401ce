#include "tokenizer/token_table.h"

#include <utility>

#include "common/error.h"
#include "common/utf8.h"

namespace memlong::tokenizer {

void TokenTable::put(size_t id, Token token) {
  if (id >= tokens_.size()) tokens_.resize(id + 1);
  tokens_[id] = std::move(token);
}

bool TokenTable::is_special(int32_t id) const {
  return id >= 0 && id < size() && tokens_[static_cast<size_t>(id)].special;
}

std::map<std::string, int32_t, std::less<>> TokenTable::specials() const {
  std::map<std::string, int32_t, std::less<>> ids;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].special) ids.emplace(tokens_[i].text, static_cast<int32_t>(i));
  }
  return ids;
}

int32_t TokenTable::named(const std::optional<std::string>& text, int32_t otherwise,
                          const char* who, const std::string& origin) const {
  if (!text) return otherwise;
  if (text->empty()) return -1;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].special && tokens_[i].text == *text) return static_cast<int32_t>(i);
  }
  fail(ErrorKind::config, origin + " has no special token \"" + *text + "\", which " + who);
}

std::string TokenTable::piece_bytes(int32_t id) const {
  if (id < 0 || id >= size()) return {};
  const Token& token = tokens_[static_cast<size_t>(id)];
  return token.special ? std::string() : token.bytes;
}

std::string TokenTable::decode(std::span<const int32_t> ids, bool show_special,
                               bool dummy_prefix) const {
  std::string text;
  std::string pending;
  bool at_start = true;
  for (const int32_t id : ids) {
    if (is_special(id)) {
      text += take_rest(pending);
      if (show_special) text += tokens_[static_cast<size_t>(id)].text;
      continue;
    }
    pending += piece_bytes(id);
    if (at_start && !pending.empty()) {
      at_start = false;
      if (dummy_prefix && pending.front() == ' ') pending.erase(0, 1);
    }
    text += take_characters(pending);
  }
  return text + take_rest(pending);
}

}  // namespace memlong::tokenizer
