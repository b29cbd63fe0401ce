// A dialog with a memory: messages go in, answers come out, everything is kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
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
  bool save = true;  ///< false: what is added now is not kept
  membank::RetentionBudget retention;
  int64_t cached_chunks = 0;  ///< whose K and V stay where the network runs (DialogMemory)
  uint64_t seed = 0;          ///< 0: from the system
  /// Where it becomes true while a long message is read, add() takes the message back and fails.
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
  /// False: an answer that was interrupted is not saved, nor is what it answers. The session that
  /// gave it is then to be closed.
  bool keep_interrupted = true;
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
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace memlong::engine
