#include "tokenizer/normalizer.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/utf8.h"
#include "tokenizer/json_values.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;

constexpr size_t kMaxBytes = size_t{64} << 20;

std::string replace_all(const std::string& text, const Pattern& pattern,
                        const std::string& content) {
  std::string replaced;
  size_t kept = 0;
  size_t from = 0;
  while (const auto match = pattern.find(text, from)) {
    from = match->end;
    if (match->begin == match->end) {  // nothing is replaced; what is behind may be
      if (from == text.size()) break;
      from += character_length(std::string_view(text).substr(from));
      continue;
    }
    replaced.append(text, kept, match->begin - kept);
    replaced += content;
    kept = match->end;
    if (replaced.size() > kMaxBytes) {
      fail(ErrorKind::format, "the tokenizer's normalizer makes too much of a text");
    }
  }
  return kept == 0 ? text : replaced.append(text, kept);
}

}  // namespace

Normalizer::Normalizer(const json& value, const std::string& origin) {
  if (!value.is_null()) add(value, origin);
}

void Normalizer::add(const json& value, const std::string& origin) {
  const std::string type = type_of(value, "normalizer", origin);
  static constexpr std::pair<std::string_view, UnicodeForm> kForms[] = {
      {"NFC", UnicodeForm::nfc},
      {"NFD", UnicodeForm::nfd},
      {"NFKC", UnicodeForm::nfkc},
      {"NFKD", UnicodeForm::nfkd}};
  for (const auto& [name, form] : kForms) {
    if (type == name) {
      steps_.emplace_back(form);
      return;
    }
  }
  if (type == "Sequence") {
    for (const json& item : list_of(value, "normalizers", origin)) add(item, origin);
  } else if (type == "Replace") {
    steps_.emplace_back(Replace{pattern_of(value, origin), string_of(value, "content", origin)});
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{string_of(value, "prepend", origin)});
  } else {
    fail(ErrorKind::config, origin + ": normalizer " + type + " is not supported");
  }
}

bool Normalizer::prepends() const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [](const auto& step) { return std::holds_alternative<Prepend>(step); });
}

std::string Normalizer::apply(std::string text, bool opens) const {
  for (const auto& step : steps_) {
    if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (opens && !text.empty()) text.insert(0, prepend->content);
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      text = replace_all(text, replace->pattern, replace->content);
    } else {
      text = to_form(text, std::get<UnicodeForm>(step));
    }
  }
  return text;
}

}  // namespace memlong::tokenizer
