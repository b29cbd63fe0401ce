#include "tokenizer/chat_template.h"

#include <algorithm>
#include <array>

#include "common/error.h"
#include "tokenizer/chat_builder.h"

namespace memlong::tokenizer {
namespace {

constexpr std::array<std::pair<const char*, TemplateMaker>, 8> kTemplates = {
    {{"plain", make_plain},
     {"llama2", make_llama2},
     {"llama3", make_llama3},
     {"mistral", make_mistral},
     {"zephyr", make_zephyr},
     {"chatml", make_chatml},
     {"vicuna", make_vicuna},
     {"memlong", make_memlong}}};

}  // namespace

MessageBuilder& MessageBuilder::id(int32_t special) {
  message_.ids.push_back(special);
  continues_ = false;
  return *this;
}

MessageBuilder& MessageBuilder::text(std::string_view text) {
  const Ids ids = tokenizer_.encode(text, continues_);
  message_.ids.insert(message_.ids.end(), ids.begin(), ids.end());
  continues_ = continues_ || !text.empty();
  return *this;
}

MessageBuilder& MessageBuilder::mark(const std::string& special, std::string_view plain) {
  if (const auto known = tokenizer_.special_id(special)) return id(*known);
  return text(plain.empty() ? special : plain);
}

MessageBuilder& MessageBuilder::content(std::string_view lead, const std::string& content) {
  message_.content_begin = message_.ids.size();
  text(std::string(lead) + content);
  message_.content_end = message_.ids.size();
  return *this;
}

Ids TemplateBase::opening() const {
  return tokenizer_->adds_bos() ? Ids{tokenizer_->bos()} : Ids{};
}

int32_t TemplateBase::need(std::string_view special) const {
  const auto known = tokenizer_->special_id(special);
  if (!known) {
    fail(ErrorKind::config, "chat template " + name_ + " needs the special token " +
                                std::string(special) +
                                ", which this tokenizer lacks; choose another template");
  }
  return *known;
}

int32_t TemplateBase::need_eos() const {
  if (tokenizer_->eos() >= 0) return tokenizer_->eos();
  if (ends_.empty()) {
    fail(ErrorKind::config, "chat template " + name_ +
                                " needs an end-of-sequence token, which this tokenizer lacks; "
                                "choose another template");
  }
  return ends_.front();
}

Ids TemplateBase::or_ends(int32_t end) const {
  Ids all;
  const auto add = [&all](int32_t id) {
    if (id >= 0 && std::find(all.begin(), all.end(), id) == all.end()) all.push_back(id);
  };
  add(end);
  add(tokenizer_->eos());
  for (const int32_t id : ends_) add(id);
  return all;
}

void TemplateBase::check_role(const Message& message, size_t before, bool system_first) const {
  const std::string& role = message.role;
  if (role != "system" && role != "user" && role != "assistant") {
    fail(ErrorKind::format,
         "role \"" + role + "\" is not known; roles are system, user and assistant");
  }
  if (system_first && role == "system" && before > 0) {
    fail(ErrorKind::format,
         "with chat template " + name_ + " a system message can only be the first message");
  }
}

std::shared_ptr<const ChatTemplate> make_chat_template(const std::string& name,
                                                       std::shared_ptr<const Tokenizer> tokenizer,
                                                       Ids ends) {
  for (const auto& [known, make] : kTemplates) {
    if (name == known) return make({std::move(tokenizer), std::move(ends)});
  }
  std::string all;
  for (const std::string& known : chat_template_names()) all += (all.empty() ? "" : ", ") + known;
  fail(ErrorKind::usage, "chat template \"" + name + "\" is not known; known are " + all);
}

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kTemplates) names.emplace_back(name);
  return names;
}

}  // namespace memlong::tokenizer
