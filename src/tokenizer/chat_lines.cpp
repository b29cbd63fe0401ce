// Templates whose marks are words or lines of text. A content that spells a mark looks like one:
// only special tokens are safe from that.
#include "tokenizer/chat_builder.h"

namespace memlong::tokenizer {
namespace {

/// For base models that know no template: "User: content\n".
class PlainTemplate final : public TemplateBase {
 public:
  explicit PlainTemplate(TemplateParts parts) : TemplateBase("plain", std::move(parts)) {}

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view /*previous*/) const override {
    check_role(message, before, false);
    const char* mark = message.role == "user"     ? "User:"
                       : message.role == "system" ? "System:"
                                                  : "Assistant:";
    return builder(before > 0).text(mark).content(" ", message.content).text("\n").take();
  }
  [[nodiscard]] Ids answer_prefix(size_t before) const override {
    return builder(before > 0).text("Assistant:").take_ids();
  }
  [[nodiscard]] Ids answer_suffix() const override { return builder(true).text("\n").take_ids(); }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(-1); }
  [[nodiscard]] std::vector<std::string> stop_texts() const override {
    return {"\nUser:", "\nSystem:", "\nAssistant:"};
  }
};

/// "<|user|>\ncontent</s>\n" (Zephyr, TinyLlama-Chat); the marks are text unless the tokenizer has
/// special tokens of that name.
class ZephyrTemplate final : public TemplateBase {
 public:
  explicit ZephyrTemplate(TemplateParts parts)
      : TemplateBase("zephyr", std::move(parts)), eos_(need_eos()) {}

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view /*previous*/) const override {
    check_role(message, before, false);
    return builder(before > 0)
        .mark(std::string("<|").append(message.role).append("|>"))
        .text("\n")
        .content("", message.content)
        .id(eos_)
        .text("\n")
        .take();
  }
  [[nodiscard]] Ids answer_prefix(size_t before) const override {
    return builder(before > 0).mark("<|assistant|>").text("\n").take_ids();
  }
  [[nodiscard]] Ids answer_suffix() const override { return builder(false).text("\n").take_ids(); }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(eos_); }

 private:
  int32_t eos_;
};

/// "system USER: content ASSISTANT: content</s>USER: ..." (Vicuna 1.1).
class VicunaTemplate final : public TemplateBase {
 public:
  explicit VicunaTemplate(TemplateParts parts)
      : TemplateBase("vicuna", std::move(parts)), eos_(need_eos()) {}

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view previous) const override {
    check_role(message, before, true);
    if (message.role == "system") return builder(false).content("", message.content).take();
    if (message.role == "assistant") {
      return builder(before > 0).text(" ASSISTANT:").content(" ", message.content).id(eos_).take();
    }
    // Otherwise the dialog begins, or an answer's </s> ended.
    const bool behind_text = previous == "system" || previous == "user";
    return builder(behind_text)
        .text(behind_text ? " USER:" : "USER:")
        .content(" ", message.content)
        .take();
  }
  [[nodiscard]] Ids answer_prefix(size_t before) const override {
    return builder(before > 0).text(" ASSISTANT:").take_ids();
  }
  [[nodiscard]] Ids answer_suffix() const override { return {}; }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(eos_); }
  [[nodiscard]] std::vector<std::string> stop_texts() const override { return {"USER:"}; }

 private:
  int32_t eos_;
};

}  // namespace

std::shared_ptr<const ChatTemplate> make_plain(TemplateParts parts) {
  return std::make_shared<PlainTemplate>(std::move(parts));
}

std::shared_ptr<const ChatTemplate> make_zephyr(TemplateParts parts) {
  return std::make_shared<ZephyrTemplate>(std::move(parts));
}

std::shared_ptr<const ChatTemplate> make_vicuna(TemplateParts parts) {
  return std::make_shared<VicunaTemplate>(std::move(parts));
}

}  // namespace memlong::tokenizer
