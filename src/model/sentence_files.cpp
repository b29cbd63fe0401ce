#include "model/sentence_files.h"

#include <string>

#include "common/error.h"
#include "common/file.h"
#include "common/json_depth.h"
#include "model/json_fields.h"

namespace memlong::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = size_t{1} << 20;

bool has_file(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

/// Of "sentence_transformers.models.Transformer" the last part: what stands before it has changed.
std::string last_part(const std::string& type) { return type.substr(type.rfind('.') + 1); }

/// A module's folder within the encoder's: "" or a plain name.
fs::path module_folder(const fs::path& folder, const JsonFields& module) {
  const std::string path = module.text_or("path", "");
  if (path == ".." || path.find('/') != std::string::npos) {
    module.refuse("path", "is \"" + path + "\", no plain name");
  }
  return path.empty() ? folder : folder / path;
}

Pooling read_pooling(const fs::path& file) {
  const std::string origin = file.string();
  const nlohmann::json root = parse_json_object(read_file(file, kMaxFileBytes), origin);
  const JsonFields fields(root, origin);
  const std::string mode = fields.text_or("pooling_mode", "");
  if (mode == "cls") return Pooling::cls;
  if (mode == "mean") return Pooling::mean;
  if (!mode.empty()) fields.refuse("pooling_mode", "is \"" + mode + "\"; read are cls and mean");
  for (const auto& item : root.items()) {
    const std::string& key = item.key();
    const bool known = key == "pooling_mode_cls_token" || key == "pooling_mode_mean_tokens";
    if (key.starts_with("pooling_mode_") && !known && fields.flag_or(key, false)) {
      fields.refuse(key, "is true; read are pooling_mode_cls_token and pooling_mode_mean_tokens");
    }
  }
  const bool cls = fields.flag_or("pooling_mode_cls_token", false);
  const bool mean = fields.flag_or("pooling_mode_mean_tokens", !cls);
  if (cls == mean) {
    fields.refuse("pooling_mode_cls_token", cls ? "and pooling_mode_mean_tokens are both true"
                                                : "and pooling_mode_mean_tokens are both false");
  }
  return cls ? Pooling::cls : Pooling::mean;
}

void read_modules(const fs::path& folder, const fs::path& file, SentenceFiles& files,
                  fs::path& pooling) {
  const std::string origin = file.string();
  const std::string text = read_file(file, kMaxFileBytes);
  check_json_depth(text, origin);
  const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
  if (!list.is_array()) fail(ErrorKind::format, origin + " is not a JSON list");
  for (const nlohmann::json& item : list) {
    if (!item.is_object()) fail(ErrorKind::format, origin + ": a module is no object");
    const JsonFields module(item, origin);
    const std::string type = last_part(module.text_or("type", ""));
    if (type == "Transformer") {
      files.transformer = module_folder(folder, module);
    } else if (type == "Pooling") {
      pooling = module_folder(folder, module) / "config.json";
    } else if (type != "Normalize") {
      module.refuse("type", "is \"" + type + "\"; read are Transformer, Pooling and Normalize");
    }
  }
}

void read_transformer_settings(SentenceFiles& files) {
  for (const char* name : {"sentence_bert_config.json", "sentence_xlm-roberta_config.json"}) {
    const fs::path file = files.transformer / name;
    if (!has_file(file)) continue;
    const std::string origin = file.string();
    const nlohmann::json root = parse_json_object(read_file(file, kMaxFileBytes), origin);
    const JsonFields fields(root, origin);
    files.max_tokens = fields.integer_or("max_seq_length", 3, int64_t{1} << 30, 0);
    if (fields.flag_or("do_lower_case", false)) {
      fields.refuse("do_lower_case", "is true; read is what the tokenizer itself does");
    }
  }
}

}  // namespace

SentenceFiles read_sentence_files(const fs::path& folder) {
  SentenceFiles files;
  files.transformer = folder;
  const fs::path modules = folder / "modules.json";
  const fs::path usual = folder / "1_Pooling" / "config.json";
  fs::path pooling;
  if (has_file(modules)) {
    read_modules(folder, modules, files, pooling);
    if (pooling.empty()) fail(ErrorKind::config, modules.string() + " names no Pooling");
  } else if (has_file(usual)) {
    pooling = usual;
  }
  if (!pooling.empty()) files.pooling = read_pooling(pooling);
  read_transformer_settings(files);
  return files;
}

}  // namespace memlong::model
