#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/json_depth.h"
#include "tokenizer/chat_template.h"

namespace memlong::tokenizer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{64} << 20;

/// The template's text: chat_template.jinja, or chat_template of tokenizer_config.json, a string or
/// a list of named ones (the one called "default", else the first).
std::string template_text(const fs::path& folder) {
  std::error_code ignored;
  const fs::path jinja = folder / "chat_template.jinja";
  if (fs::exists(jinja, ignored)) return read_file(jinja, kMaxFileBytes);
  const fs::path config = folder / "tokenizer_config.json";
  if (!fs::exists(config, ignored)) return {};
  const std::string content = read_file(config, kMaxFileBytes);
  check_json_depth(content, config.string());
  const json root = json::parse(content, nullptr, false);
  if (!root.is_object()) fail(ErrorKind::format, config.string() + " is not a JSON object");
  const auto found = root.find("chat_template");
  if (found == root.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return {};
  std::string text;
  for (const json& item : *found) {
    const std::string name = item.is_object() ? item.value("name", json()).dump() : "";
    if (!item.is_object() || !item.contains("template") || !item["template"].is_string()) continue;
    if (text.empty() || name == "\"default\"") text = item["template"].get<std::string>();
  }
  return text;
}

}  // namespace

std::string recognise_chat_template(const fs::path& folder) {
  const std::string text = template_text(folder);
  const auto has = [&](const char* part) { return text.find(part) != std::string::npos; };
  const bool breaks_lines = has("\n") || has("\\n");
  if (has("<|im_start|>")) return "chatml";
  if (has("<<SYS>>")) return "llama2";
  if (has("[INST]")) return "mistral";
  if (has("<|start_header_id|>")) return "llama3";
  if (has("<|end|>")) return breaks_lines ? "plain" : "memlong";  // with line breaks: Phi 3
  if ((has("<|user|>") || has("'<|'")) && (has("eos_token") || has("</s>"))) return "zephyr";
  if (has("USER:") && has("ASSISTANT:")) return "vicuna";
  return "plain";
}

}  // namespace memlong::tokenizer
