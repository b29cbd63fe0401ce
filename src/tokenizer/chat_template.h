// How a dialog is spelled in tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

struct Message {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// A message in tokens, and where its content stands.
struct EncodedMessage {
  Ids ids;
  size_t content_begin = 0;  ///< ids [content_begin, content_end) are the content alone
  size_t content_end = 0;
};

/// Encoding is message by message, so that a dialog only ever grows: the ids of messages 0..i do
/// not depend on message i+1. Special tokens of the template are ids of their own; content is
/// encoded as plain text and cannot inject them (marks that are themselves plain text, such as
/// "User:" or "[INST]", it can imitate). Content goes in as it is, untrimmed; where the template
/// puts a space before it, the content's ids include that space. encode() of an answer is
/// answer_prefix(), the content, a stop id and answer_suffix() (llama2: a space before the stop
/// id). Immutable, thread-safe.
class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Ids that open a dialog (BOS where the tokenizer adds one).
  [[nodiscard]] virtual Ids opening() const = 0;
  /// One message after `before` earlier messages, the last of them of the role `previous`. An
  /// unknown role is Error{format}.
  [[nodiscard]] virtual EncodedMessage encode(const Message& message, size_t before,
                                              std::string_view previous) const = 0;
  /// The same where the role before is not known: of two messages the first is a system message.
  [[nodiscard]] EncodedMessage encode(const Message& message, size_t before) const {
    return encode(message, before, before == 1 ? "system" : "");
  }
  /// What is put in front of an answer that the model is to write.
  [[nodiscard]] virtual Ids answer_prefix(size_t before) const = 0;
  /// What closes an answer after the stop id (ids that encode() puts behind the stop id).
  [[nodiscard]] virtual Ids answer_suffix() const = 0;
  /// An answer ends with any of these ids: the template's, the tokenizer's, the model's ...
  [[nodiscard]] virtual Ids stop_ids() const = 0;
  /// ... or when its text contains any of these (templates whose marks are plain text).
  [[nodiscard]] virtual std::vector<std::string> stop_texts() const = 0;
};

/// Names: plain, llama2, llama3, mistral, zephyr, chatml, vicuna, memlong. `ends`: ids that end a
/// sequence according to the model's config files; answers stop at them too. Errors: usage for
/// another name, config when the tokenizer lacks a special token that the template needs.
std::shared_ptr<const ChatTemplate> make_chat_template(const std::string& name,
                                                       std::shared_ptr<const Tokenizer> tokenizer,
                                                       Ids ends = {});

/// The name that tokenizer_config.json's chat_template (or chat_template.jinja) is recognised as;
/// "plain" when there is none or it is not known.
std::string recognise_chat_template(const std::filesystem::path& folder);

std::vector<std::string> chat_template_names();

}  // namespace memlong::tokenizer
