// A dialog with a memory: messages go in, answers come out, everything is kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/stream.h"
#include "membank/retention.h"
#include "ops/sampling.h"
#include "tokenizer/chat_template.h"

namespace memlong::engine {

struct SessionOptions {
  std::string name;                    ///< empty: not kept, even where there is a bank
  std::string name_space = "default";  ///< where the dialog is kept
  ReadScope scope;                     ///< what else may be retrieved
  bool use_memory = true;
  bool save = true;          ///< false: what is added now is not kept
  bool read_at_once = true;  ///< false: step() reads the window that a dialog goes on with
  membank::RetentionBudget retention;
  int64_t cached_chunks = 0;  ///< whose K and V stay where the network runs (DialogMemory)
  uint64_t seed = 0;          ///< 0: from the system
  /// Where it becomes true while something is read, add() takes the message back and fails, and
  /// answer() is interrupted before it begins.
  const std::atomic<bool>* stop = nullptr;
};

/// The seed for a number that a user gave: a negative one is 0, any other is not.
inline uint64_t session_seed(int64_t number) {
  constexpr uint64_t kSeedZero = 0x9E3779B97F4A7C15U;
  if (number < 0) return 0;
  return number == 0 ? kSeedZero : static_cast<uint64_t>(number);
}

struct GenerateOptions {
  ops::SamplingOptions sampling;
  int64_t max_tokens = 512;
  std::vector<std::string> stop;  ///< further texts that end the answer
  bool measure_attention = true;
  uint64_t seed = 0;  ///< of this answer's draws; 0: they go on from those before
};

enum class StopReason : uint8_t { end, length, stop_text, interrupted };

struct Answer {
  std::string text;
  std::vector<int32_t> ids;  ///< of the text, without stop ids
  StopReason reason = StopReason::end;
  int64_t prompt_tokens = 0;  ///< read since the answer before
  double prompt_seconds = 0.0;
  double seconds = 0.0;                   ///< of generating
  std::vector<RetrievedChunk> retrieved;  ///< best score first, with attention
};

/// Gets text as it becomes certain; false stops the answer.
using TextSink = std::function<bool(std::string_view)>;

/// Not thread-safe: a Context and a Memory for each thread; model, embedder and bank may be shared.
/// While it is open, nobody else may open the same dialog or forget it (save() would fail); any of
/// its chunks may be pruned.
class Session {
 public:
  /// `memory` may be null: the dialog's own past is then remembered in this process only. A name
  /// that the bank knows is resumed. Errors: usage (kept by another chat template), those of its
  /// parts.
  Session(Context& context, std::shared_ptr<const LoadedModel> model,
          std::shared_ptr<const retriever::Embedder> embedder, std::shared_ptr<Memory> memory,
          const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// A message that is known: the user's, a system prompt, or an answer from elsewhere. The network
  /// reads it at the latest with the next answer() or save(). Errors: format, for an unknown role;
  /// stopped (see SessionOptions::stop): the message was not taken in.
  void add(const tokenizer::Message& message);
  /// The model answers the last message.
  Answer answer(const GenerateOptions& options, const TextSink& sink = {});

  // The same a step at a time, so that one thread can serve many dialogs. Between begin_ and the
  // end of what it began (step() says false or throws, or give_up()) nothing else is called but
  // turns(), tokens(), document(), set_scope() and text_of().

  /// add(): the message is taken in.
  void begin_add(const tokenizer::Message& message);
  /// answer(). `sink` is called by step() and give_up().
  void begin_answer(const GenerateOptions& options, TextSink sink = {});
  /// Reads at most one window, and of it at most `most` tokens (0: all), or makes one token, and
  /// says whether there is more to do. The last step of an answer saves. Errors: as add() and
  /// answer(); nothing is under way any more.
  bool step(int64_t most = 0);
  /// What is under way ends here: a message is taken back, with all of it that was read; a question
  /// stays unanswered; an answer that was begun is interrupted.
  void give_up();
  /// The answer that was ended last, by step() or give_up().
  [[nodiscard]] const Answer& last_answer() const;
  /// Something was begun and has not ended.
  [[nodiscard]] bool busy() const;
  /// The next step makes a token.
  [[nodiscard]] bool makes_token() const;

  /// Keeps what is new: whole chunks, turns and the unfinished chunk in one commit. answer() and
  /// long messages do it by themselves.
  void save();

  /// From now on this is read besides the own dialog.
  void set_scope(const ReadScope& scope);

  [[nodiscard]] const std::vector<membank::Turn>& turns() const;
  [[nodiscard]] int64_t tokens() const;
  [[nodiscard]] const Stream& stream() const;
  [[nodiscard]] Stream& stream();
  [[nodiscard]] membank::DocumentId document() const;  ///< 0: not kept (yet)
  [[nodiscard]] bool resumed() const;
  /// Tokens of the current window, and what the last segment reads (for /memory).
  [[nodiscard]] std::vector<RetrievedChunk> reading() const;
  /// Text of a retrieved chunk, " | " between messages.
  [[nodiscard]] std::string text_of(const RetrievedChunk& chunk) const;

 private:
  friend std::vector<std::exception_ptr> step_together(std::span<Session* const> sessions,
                                                       int64_t most);
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// step() of each, all of one Context and LoadedModel and each busy(); those that make a token go
/// through the network together. What each has thrown, or null.
std::vector<std::exception_ptr> step_together(std::span<Session* const> sessions, int64_t most = 0);

}  // namespace memlong::engine
