#include "tokenizer/normalizer.h"

#include <cstdlib>
#include <memory>
#include <utf8proc.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tokenizer/json_values.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

std::string replace_all(const std::string& text, const Pattern& pattern,
                        const std::string& content) {
  std::string replaced;
  size_t at = 0;
  while (const auto match = pattern.find(text, at)) {
    replaced.append(text, at, match->begin - at);
    replaced += content;
    at = match->end;
  }
  return at == 0 ? text : replaced.append(text, at);
}

}  // namespace

Normalizer::Normalizer(const json& value, const std::string& origin) {
  if (!value.is_null()) add(value, origin);
}

void Normalizer::add(const json& value, const std::string& origin) {
  const std::string type = type_of(value, "normalizer", origin);
  static constexpr std::pair<std::string_view, Form> kForms[] = {
      {"NFC", Form::nfc}, {"NFD", Form::nfd}, {"NFKC", Form::nfkc}, {"NFKD", Form::nfkd}};
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
    prefix_ = string_of(value, "prepend", origin);
  } else {
    fail(ErrorKind::config, origin + ": normalizer " + type + " is not supported");
  }
}

std::string Normalizer::apply(std::string text) const {
  static constexpr int kOptions[] = {UTF8PROC_STABLE | UTF8PROC_COMPOSE,
                                     UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
                                     UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                     UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
  for (const auto& step : steps_) {
    if (const auto* replace = std::get_if<Replace>(&step)) {
      text = replace_all(text, replace->pattern, replace->content);
      continue;
    }
    if (is_ascii(text)) continue;  // the same in every form
    const int options = kOptions[static_cast<size_t>(std::get<Form>(step))];
    utf8proc_uint8_t* mapped = nullptr;
    const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                     static_cast<utf8proc_option_t>(options));
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(mapped, &std::free);
    MEMLONG_CHECK(length >= 0, utf8proc_errmsg(length));
    text.assign(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
  }
  return text;
}

}  // namespace memlong::tokenizer
