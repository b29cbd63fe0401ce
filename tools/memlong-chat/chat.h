// A talk: model, bank and session, opened together, and what the tool does with them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/session.h"
#include "membank/bank.h"
#include "retriever/embedder.h"
#include "tensor/context.h"
#include "tools/memlong-chat/options.h"

namespace memlong::tools {

/// What was spent so far.
struct Timing {
  double load_seconds = 0;
  int64_t prompt_tokens = 0;
  double prompt_seconds = 0;
  int64_t tokens = 0;
  double seconds = 0;  ///< of generating
};

/// Not thread-safe.
class Chat {
 public:
  /// Loads the model and opens the bank. Errors: those of load_model, open_bank and asked_scope.
  explicit Chat(const ChatOptions& options);

  /// Opens the session, when it is not open yet. `text`: what will be said first; where neither
  /// the model nor the bank knows the language (sif), it is estimated from this.
  void open(std::string_view text);
  /// Whether open() can do without a text.
  [[nodiscard]] bool knows_language() const { return embedder_ != nullptr; }
  [[nodiscard]] bool is_open() const { return session_ != nullptr; }
  /// Closes the session and opens another one, or the same name anew: what is in the bank of it is
  /// taken up.
  void reopen(const std::string& name);
  /// Closes the session; nothing but open() and reopen() may follow.
  void close();

  /// Counts tokens that were read without an answer.
  void count_read(int64_t tokens, double seconds);

  /// Adds the user's message and has it answered; counts the time. Pieces go to `sink`.
  const engine::Answer& ask(const std::string& message, const engine::TextSink& sink);

  /// The chunks that would be retrieved for a text, best first: of all that the session may read
  /// and its own dialog. Errors: usage, without a bank.
  std::vector<engine::FoundChunk> search(const std::string& text, int64_t k);

  /// "this dialog", a document's name, or its number when it is gone.
  [[nodiscard]] std::string document_name(membank::DocumentId id) const;

  [[nodiscard]] const ChatOptions& options() const { return options_; }
  [[nodiscard]] const engine::LoadedModel& model() const { return *model_; }
  [[nodiscard]] engine::Session& session() { return *session_; }
  [[nodiscard]] const engine::Session& session() const { return *session_; }
  [[nodiscard]] engine::Memory* memory() const { return memory_.get(); }  ///< null: no bank
  [[nodiscard]] bool bank_is_new() const { return bank_is_new_; }         ///< made by this talk
  [[nodiscard]] const engine::ReadScope& scope() const { return scope_; }
  [[nodiscard]] const Timing& timing() const { return timing_; }
  [[nodiscard]] const engine::Answer* last() const { return last_ ? &*last_ : nullptr; }

 private:
  void open_embedder(std::string_view text);
  void open_session();

  ChatOptions options_;
  Context context_;
  Timing timing_;
  int64_t fed_tokens_ = 0;  ///< counted, and in the next answer's prompt once more
  double fed_seconds_ = 0;
  std::shared_ptr<const engine::LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  std::shared_ptr<engine::Memory> memory_;
  bool bank_is_new_ = false;
  engine::ReadScope scope_;
  std::unique_ptr<engine::Session> session_;
  std::optional<engine::Answer> last_;
};

}  // namespace memlong::tools
