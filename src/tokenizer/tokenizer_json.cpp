#include "tokenizer/tokenizer_json.h"

#include <charconv>
#include <set>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/json_depth.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/json_values.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{256} << 20;

/// A part of the file; null where there is none.
const json& part_of(const json& root, const char* key) {
  static const json none;
  const auto found = root.find(key);
  return found == root.end() ? none : *found;
}

/// What a template writes around messages: special, whatever the file says, or a user could write
/// it.
bool is_mark(const std::string& text) {
  const auto framed = [&](std::string_view begin, std::string_view end) {
    return text.size() > begin.size() + end.size() && text.starts_with(begin) &&
           text.ends_with(end);
  };
  return framed("<|", "|>") || framed("<\uFF5C", "\uFF5C>");
}

class Reader {
 public:
  Reader(const std::filesystem::path& file, const TokenizerFiles& files)
      : origin_(file.string()), files_(files) {}

  TokenizerJson read(const std::string& text);

 private:
  [[noreturn]] void unsupported(const std::string& what) const {
    fail(ErrorKind::config, origin_ + ": " + what + " is not supported");
  }
  [[noreturn]] void bad(const std::string& what) const {
    fail(ErrorKind::format, origin_ + ": " + what);
  }
  [[nodiscard]] size_t id_of(const json& value, const std::string& text) const;
  [[nodiscard]] std::string bytes_of(const std::string& text) const;
  void read_model(const json& model);
  void read_vocabulary(const json& vocabulary);
  void drop_unknown_of_bytes();
  void read_added(const json& list);
  void read_texts();
  void read_merges(const json& list);
  void read_fallback();
  void check_decoder(const json& decoder) const;
  void read_opening(const json& processor);
  void put_digest(const json& root);

  std::string origin_;
  const TokenizerFiles& files_;
  TokenizerJson out_;
  bool byte_fallback_ = false;
  std::string unknown_text_;
  std::unordered_map<std::string, size_t> vocabulary_;
};

TokenizerJson Reader::read(const std::string& text) {
  check_json_depth(text, origin_);
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) bad("it is not a JSON object");
  out_.normalizer = Normalizer(part_of(root, "normalizer"), origin_);
  out_.splitter = WordSplitter(part_of(root, "pre_tokenizer"), origin_);
  out_.rules.byte_level = out_.splitter.byte_level();
  check_decoder(part_of(root, "decoder"));
  read_model(part_of(root, "model"));
  read_vocabulary(part_of(root["model"], "vocab"));
  read_added(part_of(root, "added_tokens"));
  read_texts();
  read_merges(part_of(root["model"], "merges"));
  read_fallback();
  read_opening(part_of(root, "post_processor"));
  put_digest(root);
  return std::move(out_);
}

void Reader::read_model(const json& model) {
  if (!model.is_object()) bad("it has no model");
  const std::string type = model.contains("type") ? string_of(model, "type", origin_) : "BPE";
  if (type != "BPE") unsupported("a model of type " + type + " (BPE is)");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const json& value = part_of(model, key);
    if (!value.is_null() && value != "") unsupported(std::string("a model with ") + key);
  }
  const json& dropout = part_of(model, "dropout");
  if (!dropout.is_null() && dropout != 0) unsupported("a model with dropout");
  byte_fallback_ = flag_of(model, "byte_fallback", false, origin_);
  out_.rules.ignore_merges = flag_of(model, "ignore_merges", false, origin_);
  out_.rules.fuse_unknown = flag_of(model, "fuse_unk", false, origin_);
  if (!part_of(model, "unk_token").is_null())
    unknown_text_ = string_of(model, "unk_token", origin_);
}

size_t Reader::id_of(const json& value, const std::string& text) const {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= uint64_t{kMaxTokenId}) {
    bad("token " + text + " has the impossible id " + value.dump());
  }
  return value.get<size_t>();
}

/// What a token of the vocabulary adds to a text.
std::string Reader::bytes_of(const std::string& text) const {
  if (out_.rules.byte_level) return bytes_of_alphabet(text).value_or(text);
  uint8_t value = 0;
  const char* hex = text.data() + 3;
  if (byte_fallback_ && text.size() == 6 && text.starts_with("<0x") && text.ends_with('>') &&
      std::from_chars(hex, hex + 2, value, 16).ptr == hex + 2) {
    return {static_cast<char>(value)};
  }
  const std::string mark =
      out_.splitter.space_mark().empty() ? std::string(kSpaceMark) : out_.splitter.space_mark();
  std::string bytes = text;
  for (size_t at = 0; (at = bytes.find(mark, at)) != std::string::npos; ++at) {
    bytes.replace(at, mark.size(), " ");
  }
  return bytes;
}

void Reader::read_vocabulary(const json& vocabulary) {
  if (!vocabulary.is_object() || vocabulary.empty()) bad("its model has no vocab");
  std::vector<bool> taken;
  vocabulary_.reserve(vocabulary.size());
  for (const auto& item : vocabulary.items()) {
    const std::string& text = item.key();
    const size_t id = id_of(item.value(), text);
    if (id >= taken.size()) taken.resize(id + 1);
    if (taken[id]) bad("two tokens have the id " + std::to_string(id));
    taken[id] = true;
    vocabulary_[text] = id;
    out_.tokens.put(id, {text, bytes_of(text), files_.specials.contains(text)});
  }
  drop_unknown_of_bytes();
  if (unknown_text_.empty()) return;
  const auto found = vocabulary_.find(unknown_text_);
  if (found == vocabulary_.end()) bad("unk_token " + unknown_text_ + " is not in its vocab");
  out_.rules.unknown = static_cast<int32_t>(found->second);
  out_.tokens.put(found->second, {unknown_text_, std::string(kUnknownText), false});
}

/// Where every byte is a token nothing is unknown, and the token named so may be the end of a text.
void Reader::drop_unknown_of_bytes() {
  if (!out_.rules.byte_level) return;
  std::set<std::string> bytes;
  for (const auto& [text, id] : vocabulary_) {
    const auto byte = bytes_of_alphabet(text);
    if (byte && byte->size() == 1) bytes.insert(*byte);
  }
  if (bytes.size() == 256) unknown_text_.clear();
}

void Reader::read_added(const json& list) {
  if (!list.is_null() && !list.is_array()) bad("added_tokens is no list");
  for (const json& item : list) {
    if (!item.is_object()) bad("added_tokens has an entry that is no object");
    const std::string text = string_of(item, "content", origin_ + ": an added token");
    if (text.empty()) bad("an added token has no content");
    const size_t id = id_of(part_of(item, "id"), text);
    const auto size = static_cast<size_t>(out_.tokens.size());
    if (id >= size && !has_row(files_, static_cast<int64_t>(id), text, origin_)) continue;
    const bool special =
        flag_of(item, "special", false, origin_) || is_mark(text) || files_.specials.contains(text);
    if (id < size && !out_.tokens.at(id).text.empty() && out_.tokens.at(id).text != text) {
      bad("added token " + text + " has the id of " + out_.tokens.at(id).text);
    }
    if (text != unknown_text_) out_.tokens.put(id, {text, text, special});
    if (special || text == unknown_text_) continue;
    for (const char* key : {"single_word", "lstrip", "rstrip"}) {
      if (flag_of(item, key, false, origin_)) unsupported("added token " + text + " with " + key);
    }
    out_.added.emplace(text, static_cast<int32_t>(id));
  }
  const auto own = static_cast<size_t>(out_.tokens.size());
  for (const auto& [id, added] : files_.added) {
    if (static_cast<size_t>(id) < own) continue;  // tokenizer.json says what it is
    const bool special =
        added.special || is_mark(added.text) || files_.specials.contains(added.text);
    out_.tokens.put(static_cast<size_t>(id), {added.text, added.text, special});
    if (!special) out_.added.emplace(added.text, id);
  }
}

/// The tokens that encoding may yield.
void Reader::read_texts() {
  auto& texts = out_.rules.tokens;
  texts.resize(static_cast<size_t>(out_.tokens.size()));
  for (const auto& [text, id] : vocabulary_) {
    const bool byte = byte_fallback_ && !out_.rules.byte_level && text.starts_with("<0x") &&
                      out_.tokens.at(id).bytes.size() == 1;
    const bool unknown = static_cast<int32_t>(id) == out_.rules.unknown;
    if (out_.tokens.at(id).special || byte || unknown) continue;
    texts[id] = out_.rules.byte_level ? bytes_of_alphabet(text).value_or("") : text;
  }
}

void Reader::read_merges(const json& list) {
  if (!list.is_array()) bad("its model has no merges");
  const auto id = [&](const std::string& text) {
    const auto found = vocabulary_.find(text);
    if (found == vocabulary_.end()) bad("merge of " + text + ", which is not in its vocab");
    return static_cast<int32_t>(found->second);
  };
  const auto put = [&](const std::string& left, const std::string& right) {
    out_.rules.merges.push_back({id(left), id(right), id(left + right)});
  };
  out_.rules.merges.reserve(list.size());
  for (const json& item : list) {
    if (item.is_string()) {  // "a b"
      const auto& both = item.get_ref<const std::string&>();
      if (both.starts_with("#version")) continue;
      const size_t space = both.find(' ');
      if (space == std::string::npos) bad("merge \"" + both + "\" has no space");
      put(both.substr(0, space), both.substr(space + 1));
    } else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      put(item[0].get_ref<const std::string&>(), item[1].get_ref<const std::string&>());
    } else {
      bad("merge " + item.dump().substr(0, 100) + " is no pair");
    }
  }
}

/// The tokens <0x00> to <0xFF>, those that there are.
void Reader::read_fallback() {
  auto& fallback = out_.rules.fallback;
  fallback.fill(-1);
  if (!byte_fallback_) return;
  for (size_t byte = 0; byte < fallback.size(); ++byte) {
    static constexpr std::string_view kHex = "0123456789ABCDEF";
    const auto found =
        vocabulary_.find(std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + '>');
    if (found != vocabulary_.end()) fallback[byte] = static_cast<int32_t>(found->second);
  }
}

/// Tokens become text by what is known of the vocabulary; a decoder that does something else is
/// refused.
void Reader::check_decoder(const json& decoder) const {
  if (decoder.is_null()) return;
  const std::string type = type_of(decoder, "decoder", origin_);
  if (type == "Sequence") {
    for (const json& item : list_of(decoder, "decoders", origin_)) check_decoder(item);
    return;
  }
  static const std::set<std::string> of_bytes = {"ByteLevel", "Fuse"};
  static const std::set<std::string> of_characters = {"Replace", "ByteFallback", "Fuse", "Strip",
                                                      "Metaspace"};
  const auto& known = out_.rules.byte_level ? of_bytes : of_characters;
  if (!known.contains(type)) {
    unsupported("decoder " + type + (out_.rules.byte_level ? " with" : " without") +
                " a pre_tokenizer ByteLevel");
  }
}

void Reader::read_opening(const json& processor) {
  if (!processor.is_object()) return;
  const std::string type = type_of(processor, "post_processor", origin_);
  if (type == "Sequence") {
    for (const json& item : list_of(processor, "processors", origin_)) read_opening(item);
  }
  if (type != "TemplateProcessing") return;
  const json& single = list_of(processor, "single", origin_);
  if (single.empty() || !single[0].is_object()) return;
  const json& special = part_of(single[0], "SpecialToken");
  if (special.is_object()) out_.opening = string_of(special, "id", origin_);
}

void Reader::put_digest(const json& root) {
  Sha256 hash;
  hash.update("memlong tokenizer.json 1\n");
  const auto put = [&](std::string_view text) {
    hash.update(std::to_string(text.size()) + " ");
    hash.update(text);
  };
  for (size_t id = 0; id < static_cast<size_t>(out_.tokens.size()); ++id) {
    put(out_.tokens.at(id).text);
    put(out_.tokens.at(id).special ? "special" : "text");
    put(id < out_.rules.tokens.size() ? out_.rules.tokens[id] : "");
  }
  for (const auto& [left, right, merged] : out_.rules.merges) {
    put(std::to_string(left) + " " + std::to_string(right));
  }
  for (const auto& [text, id] : out_.added) put(text + " " + std::to_string(id));
  for (const char* key : {"normalizer", "pre_tokenizer"}) put(part_of(root, key).dump());
  for (const bool flag : {out_.rules.ignore_merges, out_.rules.fuse_unknown, byte_fallback_}) {
    put(flag ? "yes" : "no");
  }
  put(unknown_text_);
  out_.digest = hash.finish();
}

}  // namespace

TokenizerJson read_tokenizer_json(const std::filesystem::path& file, const TokenizerFiles& files) {
  return Reader(file, files).read(read_file(file, kMaxFileBytes));
}

}  // namespace memlong::tokenizer
