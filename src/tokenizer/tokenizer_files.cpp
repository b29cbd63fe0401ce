#include "tokenizer/tokenizer_files.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/log.h"
#include "tokenizer/json_values.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;

void read_named(const json& root, const char* key, std::optional<std::string>& into,
                TokenizerFiles& files) {
  const auto found = root.find(key);
  if (found == root.end()) return;
  const auto text = token_text(*found);
  if (!text) return;
  if (!into) into = text;
  if (!text->empty()) files.specials.insert(*text);
}

void read_special_names(const json& root, TokenizerFiles& files) {
  read_named(root, "bos_token", files.bos, files);
  read_named(root, "eos_token", files.eos, files);
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const auto more = root.find(key);  // a list, or texts by name
    if (more == root.end() || !more->is_structured()) continue;
    for (const json& item : *more) {
      const auto text = token_text(item);
      if (text && !text->empty()) files.specials.insert(*text);
    }
  }
}

void add_token(int64_t id, const std::string& text, bool special, const std::string& origin,
               TokenizerFiles& files) {
  if (id < 0 || id >= kMaxTokenId) {
    fail(ErrorKind::format,
         origin + ": added token " + text + " has the impossible id " + std::to_string(id));
  }
  if (!has_row(files, id, text, origin)) return;
  files.added[static_cast<int32_t>(id)] = {text, special};
  if (special) files.specials.insert(text);
}

/// added_tokens.json: {"text": id}. It does not say what is special; marks that look like it are.
void read_added_tokens(const json& root, const std::string& origin, TokenizerFiles& files) {
  for (const auto& item : root.items()) {
    const std::string& text = item.key();
    if (!item.value().is_number_integer() || text.empty()) {
      fail(ErrorKind::format, origin + ": " + text + " has no whole number as id");
    }
    const bool mark = text.front() == '<' || text.front() == '[';
    add_token(item.value().get<int64_t>(), text, mark, origin, files);
  }
}

/// tokenizer_config.json: {"added_tokens_decoder": {"5": {"content": "...", "special": true}}}.
void read_added_decoder(const json& root, const std::string& origin, TokenizerFiles& files) {
  const auto found = root.find("added_tokens_decoder");
  if (found == root.end() || !found->is_object()) return;
  for (const auto& item : found->items()) {
    const std::string& key = item.key();
    int64_t id = -1;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    const auto text = token_text(item.value());
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || !text ||
        text->empty()) {
      fail(ErrorKind::format, origin + ": added_tokens_decoder has a bad entry, " + key);
    }
    const auto special = item.value().find("special");
    const bool is_special =
        special != item.value().end() && special->is_boolean() && special->get<bool>();
    add_token(id, *text, is_special, origin, files);
  }
}

std::optional<bool> flag_in(const json& root, const char* key) {
  const auto found = root.find(key);
  if (found == root.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

}  // namespace

bool has_row(const TokenizerFiles& files, int64_t id, const std::string& text,
             const std::string& origin) {
  if (id < files.rows) return true;
  log::warn(origin + ": added token " + text + " has the id " + std::to_string(id) +
            ", and the model has rows for " + std::to_string(files.rows) + "; it is left out");
  return false;
}

TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder) {
  TokenizerFiles files;
  const json model = read_json_object(folder / "config.json");
  const auto rows = model.find("vocab_size");
  if (rows != model.end() && rows->is_number_unsigned()) files.rows = rows->get<int64_t>();
  const std::filesystem::path added = folder / "added_tokens.json";
  const std::filesystem::path config = folder / "tokenizer_config.json";
  read_added_tokens(read_json_object(added), added.string(), files);
  const json root = read_json_object(config);
  read_added_decoder(root, config.string(), files);
  read_special_names(root, files);
  files.add_bos = flag_in(root, "add_bos_token");
  files.add_prefix_space = flag_in(root, "add_prefix_space").value_or(true);
  read_special_names(read_json_object(folder / "special_tokens_map.json"), files);
  return files;
}

}  // namespace memlong::tokenizer
