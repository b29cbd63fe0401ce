// What the chat templates have in common. Included only by .cpp files of this folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/chat_template.h"

namespace memlong::tokenizer {

/// Puts a message together. Text behind a special id is a text of its own (with a dummy prefix,
/// where the tokenizer has one), text behind text goes on.
class MessageBuilder {
 public:
  /// `continues`: what stands before this message ends in text.
  MessageBuilder(const Tokenizer& tokenizer, bool continues)
      : tokenizer_(tokenizer), continues_(continues) {}

  MessageBuilder& id(int32_t special);
  MessageBuilder& text(std::string_view text);
  /// The special token of this text where the tokenizer has one; else `plain` (or it) as text.
  MessageBuilder& mark(const std::string& special, std::string_view plain = {});
  /// The content, with what parts it from the text before.
  MessageBuilder& content(std::string_view lead, const std::string& content);
  [[nodiscard]] EncodedMessage take() { return std::move(message_); }
  [[nodiscard]] Ids take_ids() { return std::move(message_.ids); }

 private:
  const Tokenizer& tokenizer_;
  EncodedMessage message_;
  bool continues_;
};

/// What a template is made of.
struct TemplateParts {
  std::shared_ptr<const Tokenizer> tokenizer;
  Ids ends;  ///< what ends a sequence according to the model's own files
};

class TemplateBase : public ChatTemplate {
 public:
  TemplateBase(std::string name, TemplateParts parts)
      : tokenizer_(std::move(parts.tokenizer)),
        ends_(std::move(parts.ends)),
        name_(std::move(name)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] Ids opening() const override;
  [[nodiscard]] std::vector<std::string> stop_texts() const override { return {}; }

 protected:
  /// The id of a special token that this template cannot do without. Errors: config.
  [[nodiscard]] int32_t need(std::string_view special) const;
  /// The end of a sequence: the tokenizer's, else the model's first. Errors: config.
  [[nodiscard]] int32_t need_eos() const;
  /// `end` (-1: none), then the ends of a sequence that tokenizer and model name, each once.
  [[nodiscard]] Ids or_ends(int32_t end) const;
  /// Refuses a role that is not system, user or assistant, and, with `system_first`, a system
  /// message that is not the first. Errors: format.
  void check_role(const Message& message, size_t before, bool system_first) const;
  [[nodiscard]] MessageBuilder builder(bool continues) const {
    return MessageBuilder(*tokenizer_, continues);
  }

  std::shared_ptr<const Tokenizer> tokenizer_;

 private:
  Ids ends_;
  std::string name_;
};

using TemplateMaker = std::shared_ptr<const ChatTemplate> (*)(TemplateParts parts);

// Templates whose marks are special tokens (chat_marked.cpp).
std::shared_ptr<const ChatTemplate> make_memlong(TemplateParts parts);
std::shared_ptr<const ChatTemplate> make_chatml(TemplateParts parts);
std::shared_ptr<const ChatTemplate> make_llama3(TemplateParts parts);
// Templates whose marks are text on lines (chat_lines.cpp).
std::shared_ptr<const ChatTemplate> make_plain(TemplateParts parts);
std::shared_ptr<const ChatTemplate> make_zephyr(TemplateParts parts);
std::shared_ptr<const ChatTemplate> make_vicuna(TemplateParts parts);
// Templates with [INST] (chat_inst.cpp).
std::shared_ptr<const ChatTemplate> make_llama2(TemplateParts parts);
std::shared_ptr<const ChatTemplate> make_mistral(TemplateParts parts);

}  // namespace memlong::tokenizer
