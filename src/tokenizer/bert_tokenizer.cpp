// The tokenizer of BERT's kin: words, then their pieces.
#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/json_depth.h"
#include "tokenizer/bert_words.h"
#include "tokenizer/encoder_tokenizer.h"
#include "tokenizer/json_values.h"
#include "tokenizer/text_parts.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/word_piece.h"

namespace memlong::tokenizer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{64} << 20;

/// What the files say.
struct BertFiles {
  BertRules words;
  WordPieceRules pieces;
  std::string unknown = "[UNK]";
  std::string opening = "[CLS]";
  std::string closing = "[SEP]";
};

class BertTokenizer final : public EncoderTokenizer {
 public:
  BertTokenizer(BertFiles files, const std::string& origin);

  [[nodiscard]] Ids encode(std::string_view text) const override {
    Ids ids;
    while (!text.empty()) {
      const std::string_view part = first_part(text);
      text.remove_prefix(part.size());
      for (const std::string& word : bert_words(part, words_)) pieces_.encode(word, ids);
    }
    return ids;
  }
  [[nodiscard]] int32_t opening() const override { return opening_; }
  [[nodiscard]] int32_t closing() const override { return closing_; }
  [[nodiscard]] int32_t vocab_size() const override { return size_; }
  [[nodiscard]] Digest hash() const override { return hash_; }

 private:
  BertRules words_;
  WordPiece pieces_{{}};
  int32_t opening_ = -1;
  int32_t closing_ = -1;
  int32_t size_ = 0;
  Digest hash_{};
};

int32_t id_of(const Vocabulary& vocabulary, const std::string& token, const std::string& origin) {
  const auto found = vocabulary.find(token);
  if (found == vocabulary.end()) fail(ErrorKind::format, origin + " has no token " + token);
  return found->second;
}

/// Of all that decides how text becomes ids; each text with its length, so that none looks like
/// two.
Digest hash_of(const BertFiles& files) {
  Sha256 hash;
  const auto add = [&hash](std::string_view text) {
    hash.update("\n" + std::to_string(text.size()) + " ");
    hash.update(text);
  };
  hash.update("memlong wordpiece 1\n");
  for (const bool flag : {files.words.clean, files.words.split_chinese, files.words.strip_accents,
                          files.words.lower_case}) {
    hash.update(flag ? "yes " : "no ");
  }
  hash.update(std::to_string(files.pieces.max_characters));
  for (const std::string& text :
       {files.pieces.continuation, files.unknown, files.opening, files.closing}) {
    add(text);
  }
  const Vocabulary& vocabulary = files.pieces.vocabulary;
  for (const auto& [token, id] :
       std::map<std::string_view, int32_t>(vocabulary.begin(), vocabulary.end())) {
    add(token);
    hash.update(" " + std::to_string(id));
  }
  return hash.finish();
}

BertTokenizer::BertTokenizer(BertFiles files, const std::string& origin) : words_(files.words) {
  const Vocabulary& vocabulary = files.pieces.vocabulary;
  for (const auto& [token, id] : vocabulary) size_ = std::max(size_, id + 1);
  opening_ = id_of(vocabulary, files.opening, origin);
  closing_ = id_of(vocabulary, files.closing, origin);
  files.pieces.unknown = id_of(vocabulary, files.unknown, origin);
  hash_ = hash_of(files);
  pieces_ = WordPiece(std::move(files.pieces));
}

void read_vocabulary(const json& model, const std::string& origin, Vocabulary& into) {
  const auto found = model.find("vocab");
  if (found == model.end() || !found->is_object()) {
    fail(ErrorKind::format, origin + ": vocab is no object");
  }
  for (const auto& item : found->items()) {
    const json& id = item.value();
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t{kMaxTokenId}) {
      fail(ErrorKind::format, origin + ": token " + item.key() + " has an impossible id");
    }
    into[item.key()] = id.get<int32_t>();
  }
}

/// The part `key` of the file is of the type `type`.
const json& part_of(const json& root, const char* key, const char* type,
                    const std::string& origin) {
  const auto found = root.find(key);
  const std::string is = found == root.end() || found->is_null() ? std::string("missing")
                                                                 : type_of(*found, key, origin);
  if (is == type) return *found;
  fail(ErrorKind::config,
       origin + ": its " + key + " is " + is + "; an encoder of type bert is read with " + type);
}

/// Old files do not say what type their model is.
const json& model_of(const json& root, const std::string& origin) {
  const auto found = root.find("model");
  const bool old = found != root.end() && found->is_object() && !found->contains("type") &&
                   found->contains("max_input_chars_per_word");
  return old ? *found : part_of(root, "model", "WordPiece", origin);
}

int64_t read_longest_word(const json& model, const std::string& origin) {
  const auto found = model.find("max_input_chars_per_word");
  if (found == model.end()) return WordPieceRules().max_characters;
  constexpr uint64_t kMost = 1000;  // of a word that is looked up in quadratic time
  if (found->is_number_unsigned() && found->get<uint64_t>() <= kMost) return found->get<int64_t>();
  fail(ErrorKind::config,
       origin + ": max_input_chars_per_word is no number from 0 to " + std::to_string(kMost));
}

/// Added tokens are special ones, which no text contains.
void check_added(const json& root, const std::string& origin) {
  const auto added = root.find("added_tokens");
  if (added == root.end() || !added->is_array()) return;
  for (const json& token : *added) {
    if (token.is_object() && flag_of(token, "special", false, origin)) continue;
    fail(ErrorKind::config, origin + " adds tokens that are not special, which is not supported");
  }
}

BertFiles read_tokenizer_json(const fs::path& file) {
  const std::string origin = file.string();
  const json root = read_json_object(file);
  BertFiles files;
  check_added(root, origin);
  const json& normalizer = part_of(root, "normalizer", "BertNormalizer", origin);
  files.words.clean = flag_of(normalizer, "clean_text", true, origin);
  files.words.split_chinese = flag_of(normalizer, "handle_chinese_chars", true, origin);
  files.words.lower_case = flag_of(normalizer, "lowercase", true, origin);
  files.words.strip_accents = flag_of(normalizer, "strip_accents", files.words.lower_case, origin);
  part_of(root, "pre_tokenizer", "BertPreTokenizer", origin);
  const json& model = model_of(root, origin);
  read_vocabulary(model, origin, files.pieces.vocabulary);
  files.unknown = string_of(model, "unk_token", origin);
  files.pieces.continuation = string_of(model, "continuing_subword_prefix", origin);
  files.pieces.max_characters = read_longest_word(model, origin);
  return files;
}

/// Each line is a token, its number the id.
BertFiles read_vocab_txt(const fs::path& file, const json& config, const std::string& origin) {
  BertFiles files;
  const std::string text = read_file(file, kMaxFileBytes);
  int32_t id = 0;
  for (size_t at = 0; at < text.size(); ++id) {
    if (id >= kMaxTokenId) fail(ErrorKind::format, file.string() + " has too many tokens");
    const size_t end = std::min(text.find('\n', at), text.size());
    const bool returns = end > at && text[end - 1] == '\r';
    files.pieces.vocabulary[text.substr(at, end - at - (returns ? 1 : 0))] = id;
    at = end + 1;
  }
  files.words.lower_case = flag_of(config, "do_lower_case", true, origin);
  files.words.split_chinese = flag_of(config, "tokenize_chinese_chars", true, origin);
  files.words.strip_accents = flag_of(config, "strip_accents", files.words.lower_case, origin);
  return files;
}

void read_name(const json& config, const char* key, std::string& into) {
  const auto found = config.find(key);
  if (found == config.end()) return;
  const auto text = token_text(*found);
  if (text && !text->empty()) into = *text;
}

}  // namespace

std::shared_ptr<const EncoderTokenizer> load_bert_tokenizer(const fs::path& folder) {
  const fs::path config_file = folder / "tokenizer_config.json";
  const fs::path whole = folder / "tokenizer.json";
  const fs::path plain = folder / "vocab.txt";
  std::error_code ignored;
  const bool has_json = fs::exists(whole, ignored);
  if (!has_json && !fs::exists(plain, ignored)) {
    fail(ErrorKind::io, folder.string() + " has no tokenizer.json and no vocab.txt");
  }
  const json config = read_json_object(config_file);
  BertFiles files =
      has_json ? read_tokenizer_json(whole) : read_vocab_txt(plain, config, config_file.string());
  if (!has_json) read_name(config, "unk_token", files.unknown);
  read_name(config, "cls_token", files.opening);
  read_name(config, "sep_token", files.closing);
  return std::make_shared<BertTokenizer>(std::move(files), (has_json ? whole : plain).string());
}

}  // namespace memlong::tokenizer
