// The tokenizer of models with a tokenizer.json.
#include <array>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "common/error.h"
#include "common/utf8.h"
#include "tokenizer/kinds.h"
#include "tokenizer/table_tokenizer.h"
#include "tokenizer/text_parts.h"
#include "tokenizer/tokenizer_json.h"

namespace memlong::tokenizer {
namespace {

std::string replaced_spaces(const std::string& text, const std::string& mark) {
  std::string replaced;
  replaced.reserve(text.size());
  for (const char c : text) {
    if (c == ' ') {
      replaced += mark;
    } else {
      replaced += c;
    }
  }
  return replaced;
}

class JsonTokenizer final : public TableTokenizer {
 public:
  JsonTokenizer(TokenizerJson read, const TokenizerFiles& files, const std::string& origin);

  [[nodiscard]] Ids encode(std::string_view text, bool continues) const override;

 private:
  struct Added {
    size_t at = 0;
    size_t length = 0;
    int32_t id = -1;
  };
  [[nodiscard]] std::optional<Added> find_added(std::string_view text) const;
  [[nodiscard]] std::string prepared(std::string_view plain, bool prepend, bool prefix) const;
  void encode_part(std::string_view part, bool continues, Ids& into) const;
  void encode_prepared(std::string_view text, Ids& into) const;

  Normalizer normalizer_;
  WordSplitter splitter_;
  Bpe bpe_;
  std::map<std::string, int32_t, std::less<>> added_;
  std::array<bool, 256> opens_added_{};             ///< bytes with which an added token begins
  std::set<size_t, std::greater<>> added_lengths_;  ///< the longest first
};

JsonTokenizer::JsonTokenizer(TokenizerJson read, const TokenizerFiles& files,
                             const std::string& origin)
    : normalizer_(std::move(read.normalizer)),
      splitter_(std::move(read.splitter)),
      bpe_(read.rules),
      added_(std::move(read.added)) {
  tokens_ = std::move(read.tokens);
  special_ids_ = tokens_.specials();
  for (const auto& [text, id] : added_) {
    opens_added_[static_cast<uint8_t>(text[0])] = true;
    added_lengths_.insert(text.size());
  }
  const std::string some = prepared("a", true, true);
  const std::string& mark = splitter_.space_mark();
  dummy_prefix_ = some.starts_with(' ') || some.starts_with(mark.empty() ? kSpaceMark : mark);
  const int32_t opening =
      tokens_.named(read.opening, -1, "its post_processor puts in front", origin);
  bos_ = tokens_.named(files.bos, opening, "tokenizer_config.json names as bos_token", origin);
  eos_ = tokens_.named(files.eos, -1, "tokenizer_config.json names as eos_token", origin);
  adds_bos_ = bos_ >= 0 && files.add_bos.value_or(opening >= 0);
  Sha256 hash;
  hash.update(to_hex(read.digest));
  hash.update((adds_bos_ ? " yes " : " no ") + std::to_string(bos_));
  hash_ = hash.finish();
}

/// The first added token in a text; of those that begin at one place the longest.
std::optional<JsonTokenizer::Added> JsonTokenizer::find_added(std::string_view text) const {
  if (added_.empty()) return std::nullopt;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!opens_added_[static_cast<uint8_t>(text[at])]) continue;
    for (const size_t length : added_lengths_) {
      const auto found = added_.find(text.substr(at, length));
      if (found != added_.end()) return Added{at, found->first.size(), found->second};
    }
  }
  return std::nullopt;
}

Ids JsonTokenizer::encode(std::string_view text, bool continues) const {
  Ids ids;
  while (!text.empty()) {
    const std::string_view part = first_part(text);
    text.remove_prefix(part.size());
    std::string rest(part);
    encode_part(take_rest(rest), continues, ids);
    continues = true;
  }
  return ids;
}

void JsonTokenizer::encode_part(std::string_view part, bool continues, Ids& into) const {
  bool first = true;
  while (!part.empty()) {
    const auto added = find_added(part);
    const std::string_view plain = part.substr(0, added ? added->at : part.size());
    if (!plain.empty()) {
      const bool prepend = !first || !continues;
      const bool prefix = first ? !continues : splitter_.prefix_everywhere();
      encode_prepared(prepared(plain, prepend, prefix), into);
    }
    first = false;
    if (!added) return;
    into.push_back(added->id);
    part.remove_prefix(added->at + added->length);
  }
}

// What the way through encode() and decode() does not keep: what the normaliser changes, bytes that
// are no UTF-8, which become U+FFFD, what a Split removes, and, with a dummy prefix, one space
// where a text begins with it already.
std::string JsonTokenizer::prepared(std::string_view plain, bool prepend, bool prefix) const {
  std::string text = normalizer_.apply(std::string(plain), prepend);
  const std::string& mark = splitter_.space_mark();
  if (!mark.empty()) text = replaced_spaces(text, mark);
  if (prefix && !text.starts_with(splitter_.prefix())) text.insert(0, splitter_.prefix());
  return text;
}

void JsonTokenizer::encode_prepared(std::string_view text, Ids& into) const {
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> known;  // where its ids stand
  for (const std::string_view word : splitter_.split(text)) {
    const size_t begin = into.size();
    const auto [place, is_new] = known.try_emplace(word);
    if (is_new) {
      bpe_.encode(word, into);
      place->second = {begin, into.size()};
      continue;
    }
    for (size_t i = place->second.first; i < place->second.second; ++i) into.push_back(into[i]);
  }
}

}  // namespace

std::shared_ptr<const Tokenizer> load_json_tokenizer(const std::filesystem::path& file,
                                                     const TokenizerFiles& files) {
  return std::make_shared<JsonTokenizer>(read_tokenizer_json(file, files), files, file.string());
}

}  // namespace memlong::tokenizer
