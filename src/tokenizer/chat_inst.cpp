// Templates with [INST]: Llama 2 and Mistral. Users and assistants take turns; a system message
// comes first and shares the first user's [INST].
#include "tokenizer/chat_builder.h"

namespace memlong::tokenizer {
namespace {

/// What differs between the two.
struct InstStyle {
  const char* name;
  const char* system_begin;  ///< between "[INST]" and the system message; opens with a space
  const char* system_end;
  bool bos_each_turn;      ///< <s> in front of every [INST], not only the first
  const char* answer_end;  ///< between an answer and </s>
};
constexpr InstStyle kLlama2 = {"llama2", " <<SYS>>\n", "\n<</SYS>>\n\n", true, " "};
constexpr InstStyle kMistral = {"mistral", " ", "\n\n", false, ""};

class InstTemplate final : public TemplateBase {
 public:
  InstTemplate(const InstStyle& style, TemplateParts parts)
      : TemplateBase(style.name, std::move(parts)), style_(style), eos_(need_eos()) {
    marked_ = tokenizer_->special_id("[INST]") && tokenizer_->special_id("[/INST]");
    if (marked_ && (tokenizer_->adds_dummy_prefix() || !style.bos_each_turn)) space_ = "";
  }

  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before,
                                      std::string_view previous) const override {
    check_role(message, before, true);
    if (message.role == "assistant") {
      return builder(!marked_)
          .content(space_, message.content)
          .text(style_.answer_end)
          .id(eos_)
          .take();
    }
    if (message.role == "system") {
      return builder(false)
          .mark("[INST]")
          .text(style_.system_begin + (space_[0] == 0 ? 1 : 0))
          .content("", message.content)
          .text(style_.system_end)
          .take();
    }
    if (previous == "system") {  // in the same [INST]
      return builder(true).content("", message.content).mark("[/INST]", " [/INST]").take();
    }
    MessageBuilder turn = builder(false);
    if (style_.bos_each_turn && before > 0 && tokenizer_->adds_bos()) turn.id(tokenizer_->bos());
    return turn.mark("[INST]").content(space_, message.content).mark("[/INST]", " [/INST]").take();
  }
  [[nodiscard]] Ids answer_prefix(size_t /*before*/) const override { return {}; }
  [[nodiscard]] Ids answer_suffix() const override { return {}; }
  [[nodiscard]] Ids stop_ids() const override { return or_ends(eos_); }

 private:
  InstStyle style_;
  /// Before a content. None where the tokenizer puts one there itself, behind a mark that is a
  /// token (Mistral since v2), and none in Mistral's templates since Nemo (tekken).
  const char* space_ = " ";
  bool marked_ = false;  ///< [INST] and [/INST] are tokens
  int32_t eos_;
};

}  // namespace

std::shared_ptr<const ChatTemplate> make_llama2(TemplateParts parts) {
  return std::make_shared<InstTemplate>(kLlama2, std::move(parts));
}

std::shared_ptr<const ChatTemplate> make_mistral(TemplateParts parts) {
  return std::make_shared<InstTemplate>(kMistral, std::move(parts));
}

}  // namespace memlong::tokenizer
