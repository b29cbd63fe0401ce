// Templates whose marks are special tokens; no content can imitate them.
#include "tokenizer/chat_builder.h"

namespace memlong::tokenizer {
namespace {

/// The reference model's: <|user|>content<|end|>, and <|assistant|> in front of an answer.
class MemlongTemplate final : public TemplateBase {
 public:
  explicit MemlongTemplate(TemplateParts parts)
      : TemplateBase("memlong", std::move(parts)),
        system_(need("<|system|>")),
        user_(need("<|user|>")),
        assistant_(need("<|assistant|>")),
        end_(need("<|end|>")) {}

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view /*previous*/) const override {
    check_role(message, before, false);
    const int32_t mark = message.role == "user"     ? user_
                         : message.role == "system" ? system_
                                                    : assistant_;
    return builder(false).id(mark).content("", message.content).id(end_).take();
  }
  [[nodiscard]] Ids answer_prefix(size_t /*before*/) const override { return {assistant_}; }
  [[nodiscard]] Ids answer_suffix() const override { return {}; }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(end_); }

 private:
  int32_t system_;
  int32_t user_;
  int32_t assistant_;
  int32_t end_;
};

/// <|im_start|>user\ncontent<|im_end|>\n
class ChatmlTemplate final : public TemplateBase {
 public:
  explicit ChatmlTemplate(TemplateParts parts)
      : TemplateBase("chatml", std::move(parts)),
        start_(need("<|im_start|>")),
        end_(need("<|im_end|>")) {}

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view /*previous*/) const override {
    check_role(message, before, false);
    return builder(before > 0)
        .id(start_)
        .text(message.role + "\n")
        .content("", message.content)
        .id(end_)
        .text("\n")
        .take();
  }
  [[nodiscard]] Ids answer_prefix(size_t before) const override {
    return builder(before > 0).id(start_).text("assistant\n").take_ids();
  }
  [[nodiscard]] Ids answer_suffix() const override { return builder(false).text("\n").take_ids(); }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(end_); }

 private:
  int32_t start_;
  int32_t end_;
};

/// <|start_header_id|>user<|end_header_id|>\n\ncontent<|eot_id|>
class Llama3Template final : public TemplateBase {
 public:
  explicit Llama3Template(TemplateParts parts)
      : TemplateBase("llama3", std::move(parts)),
        start_(need("<|start_header_id|>")),
        end_header_(need("<|end_header_id|>")),
        end_(need("<|eot_id|>")) {}

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view /*previous*/) const override {
    check_role(message, before, false);
    return header(message.role).content("", message.content).id(end_).take();
  }
  [[nodiscard]] Ids answer_prefix(size_t /*before*/) const override {
    return header("assistant").take_ids();
  }
  [[nodiscard]] Ids answer_suffix() const override { return {}; }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(end_); }

 private:
  [[nodiscard]] MessageBuilder header(const std::string& role) const {
    return builder(true).id(start_).text(role).id(end_header_).text("\n\n");
  }

  int32_t start_;
  int32_t end_header_;
  int32_t end_;
};

}  // namespace

std::shared_ptr<const ChatTemplate> make_memlong(TemplateParts parts) {
  return std::make_shared<MemlongTemplate>(std::move(parts));
}

std::shared_ptr<const ChatTemplate> make_chatml(TemplateParts parts) {
  return std::make_shared<ChatmlTemplate>(std::move(parts));
}

std::shared_ptr<const ChatTemplate> make_llama3(TemplateParts parts) {
  return std::make_shared<Llama3Template>(std::move(parts));
}

}  // namespace memlong::tokenizer
