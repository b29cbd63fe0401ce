// Puts the questions of a dialog to the model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/stream.h"
#include "tools/memlong-eval/recall_dialogs.h"

namespace memlong::eval_tool {

/// One question, asked.
struct Outcome {
  const RecallDialog* dialog = nullptr;
  const Probe* probe = nullptr;
  int64_t window_start = 0;
  int64_t answer_begin = 0;
  int64_t answer_end = 0;
  int64_t distance = 0;          ///< tokens from the fact to the answer; 0: no fact
  bool asked = true;             ///< false: never said, the right answer says so
  bool retrieved = false;        ///< a chunk of the fact was retrieved, or it stands in the window
  bool exact = false;            ///< greedy gives the whole answer turn
  bool contains = false;         ///< the answer's string appears in the greedy answer
  double log_probability = 0.0;  ///< of the true answer turn
  std::vector<int32_t> wanted;
  std::vector<int32_t> argmax;              ///< where every token before is the true one
  std::vector<engine::RetrievedChunk> set;  ///< for the segment in which the answer begins
};

struct RecallOptions {
  bool use_memory = true;
  bool dense = false;    ///< all chunks are read, none is searched
  bool oracle = false;   ///< the fact's chunks are in every set of its question
  bool generate = true;  ///< false: `contains` is judged by argmax
};

using Tick = std::function<void(int64_t tokens)>;  ///< progress; may throw

/// The whole dialog is memorized by the writer; each question stands in one window that begins at
/// the chunk boundary 256 tokens (as many as surely fit, where those are less) before the end of
/// its answer.
std::vector<Outcome> ask_questions(Context& context,
                                   const std::shared_ptr<const engine::LoadedModel>& model,
                                   const std::shared_ptr<const retriever::Embedder>& embedder,
                                   const RecallDialog& dialog, const RecallOptions& options,
                                   const Tick& tick);

/// A stream reads the dialog from start to end as a session does, and is asked where it answers.
std::vector<Outcome> read_session(Context& context,
                                  const std::shared_ptr<const engine::LoadedModel>& model,
                                  const std::shared_ptr<const retriever::Embedder>& embedder,
                                  const RecallDialog& dialog, const RecallOptions& options,
                                  const Tick& tick);

}  // namespace memlong::eval_tool
