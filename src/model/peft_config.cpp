#include "model/peft_config.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "model/json_fields.h"

namespace memlong::model {
namespace {

constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr double kMaxRank = 65536;
constexpr double kMaxAlpha = 1e9;

/// Settings under which the weights are no longer W + scale x B A, and what they are called.
struct Variant {
  const char* key;
  const char* what;
};
constexpr Variant kVariants[] = {{"use_dora", "DoRA"},
                                 {"use_qalora", "QALoRA"},
                                 {"use_bdlora", "block-diagonal LoRA"},
                                 {"lora_bias", "a bias of B"},
                                 {"fan_in_fan_out", "transposed weights"},
                                 {"layer_replication", "replicated layers"},
                                 {"target_parameters", "a LoRA on parameters"},
                                 {"trainable_token_indices", "trained tokens"},
                                 {"alora_invocation_tokens", "activated LoRA"},
                                 {"arrow_config", "Arrow routing"},
                                 {"kasa_config", "KaSA"},
                                 {"velora_config", "VeLoRA"},
                                 {"monteclora_config", "MonteCLoRA"}};

bool is_set(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  return value.is_structured() ? !value.empty() : true;
}

void refuse_variants(const JsonFields& fields) {
  const std::string type = fields.text_or("peft_type", "");
  if (type != "LORA") {
    fields.refuse("peft_type", "is '" + type.substr(0, 40) + "'; only LORA is read");
  }
  for (const auto& [key, what] : kVariants) {
    if (fields.has(key) && is_set(fields.at(key))) {
      fields.refuse(key, std::string("asks for ") + what + ", which is not read");
    }
  }
  if (fields.has("bias") && fields.at("bias") != "none") {
    fields.refuse("bias", "is not \"none\"; trained biases are not read");
  }
  if (!fields.has("init_lora_weights") || fields.at("init_lora_weights").is_boolean()) return;
  const std::string start = fields.text_or("init_lora_weights", "");
  if (start != "gaussian" && start != "eva" && start != "orthogonal") {
    fields.refuse("init_lora_weights",
                  "is '" + start.substr(0, 40) +
                      "', which changes the base; convert the adapter with peft: "
                      "save_pretrained(FOLDER, path_initial_model_for_weight_conversion=START)");
  }
}

/// One character of a pattern, or any.
using Pattern = std::vector<std::optional<char>>;

/// Letters, digits, '_', '-', '.', and escaped dots; nothing for other regular expressions.
std::optional<Pattern> parse_pattern(std::string_view text) {
  Pattern pattern;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '.';
    if (escaped) ++i;
    const char c = text[i];
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && c != '_' && c != '-' && c != '.') return std::nullopt;
    pattern.push_back(c == '.' && !escaped ? std::nullopt : std::optional(c));
  }
  if (pattern.empty()) return std::nullopt;
  return pattern;
}

/// As peft does it: the pattern stands at the end of the name, after its start or a dot. With '^'
/// it is the whole name.
bool matches(std::string_view text, std::string_view name) {
  const bool whole = text.starts_with('^');
  if (whole) text.remove_prefix(1);
  if (text.ends_with('$')) text.remove_suffix(1);
  const Pattern pattern = parse_pattern(text).value();
  if (pattern.size() > name.size() || (whole && pattern.size() != name.size())) return false;
  const size_t from = name.size() - pattern.size();
  if (from > 0 && name[from - 1] != '.') return false;
  return std::equal(pattern.begin(), pattern.end(), name.begin() + static_cast<ptrdiff_t>(from),
                    [](const std::optional<char>& want, char c) { return !want || *want == c; });
}

std::map<std::string, double> read_patterns(const JsonFields& fields, const char* key,
                                            const std::string& origin, double low, double high) {
  std::map<std::string, double> patterns;
  if (!fields.has(key)) return patterns;
  if (!fields.at(key).is_object()) fields.refuse(key, "is no object");
  const JsonFields values(fields.at(key), origin + ": " + key);
  for (const auto& item : fields.at(key).items()) {
    std::string_view text = item.key();
    if (text.starts_with('^')) text.remove_prefix(1);
    if (text.ends_with('$')) text.remove_suffix(1);
    if (!parse_pattern(text)) {
      const std::string shown = nlohmann::json(item.key().substr(0, 60))
                                    .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
      fields.refuse(key, "has the pattern " + shown + ", which is not read; name the layers");
    }
    if (!values.has(item.key())) values.refuse(item.key(), "has no value");
    patterns[item.key()] = values.number_or(item.key(), low, high, 0.0);
  }
  return patterns;
}

}  // namespace

PeftConfig PeftConfig::read(const std::filesystem::path& folder) {
  PeftConfig config;
  config.origin_ = (folder / "adapter_config.json").string();
  const nlohmann::json root =
      parse_json_object(read_file(config.origin_, kMaxBytes), config.origin_, true);
  const JsonFields fields(root, config.origin_);
  refuse_variants(fields);
  config.rank_ = fields.integer("r", 1, static_cast<int64_t>(kMaxRank));
  config.alpha_ = fields.number_or("lora_alpha", -kMaxAlpha, kMaxAlpha, 8.0);
  config.root_scale_ = fields.flag_or("use_rslora", false);
  config.ranks_ = read_patterns(fields, "rank_pattern", config.origin_, 1.0, kMaxRank);
  config.alphas_ = read_patterns(fields, "alpha_pattern", config.origin_, -kMaxAlpha, kMaxAlpha);
  return config;
}

double PeftConfig::find(const std::map<std::string, double>& patterns, const char* key,
                        const std::string& layer, double otherwise) const {
  const std::string* found = nullptr;
  for (const auto& [pattern, value] : patterns) {
    if (!matches(pattern, layer)) continue;
    if (found != nullptr && patterns.at(*found) != value) {
      fail(ErrorKind::config, origin_ + ": " + key + " says two things of " + layer + ": as " +
                                  *found + " and as " + pattern);
    }
    found = &pattern;
  }
  return found == nullptr ? otherwise : patterns.at(*found);
}

int64_t PeftConfig::rank(const std::string& layer) const {
  return static_cast<int64_t>(find(ranks_, "rank_pattern", layer, static_cast<double>(rank_)));
}

double PeftConfig::scale(const std::string& layer) const {
  const double alpha = find(alphas_, "alpha_pattern", layer, alpha_);
  const auto rank_of = static_cast<double>(rank(layer));
  return alpha / (root_scale_ ? std::sqrt(rank_of) : rank_of);
}

}  // namespace memlong::model
