// A dialog as the bank keeps it: turns, whole chunks, the unfinished chunk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/chunk.h"
#include "engine/memory.h"
#include "engine/session.h"

namespace memlong::engine {

struct SavedDialog {
  std::vector<int32_t> tokens;
  int64_t completed = 0;  ///< tokens in whole chunks
};

/// Not thread-safe.
class SessionStore {
 public:
  /// Errors: usage, when the dialog is to be kept and the bank is open for reading only.
  SessionStore(std::shared_ptr<Memory> memory, std::shared_ptr<const LoadedModel> model,
               const SessionOptions& options);

  /// The dialog of this name, if the bank has it. Errors: mismatch, for another chat template;
  /// corrupt, for chunks that do not lie within their document.
  std::optional<SavedDialog> load();
  [[nodiscard]] bool keeps() const;  ///< whether save() does anything
  [[nodiscard]] bool resumed() const { return resumed_; }
  [[nodiscard]] membank::DocumentId document() const { return document_; }
  [[nodiscard]] const std::vector<membank::Turn>& turns() const { return turns_; }
  void add_turn(membank::Turn turn) { turns_.push_back(std::move(turn)); }
  void drop_last_turn() { turns_.pop_back(); }  ///< for one that was not saved

  /// One commit: `chunks` are new, `tail` are the tokens after them.
  void save(std::span<const EncodedChunk> chunks, std::span<const int32_t> tail);
  /// Applies the retention rule. Not part of save(): what was saved is saved, should this fail.
  void retain();

 private:
  [[nodiscard]] SavedDialog read_tokens(const membank::Snapshot& snapshot,
                                        const membank::Document& document) const;

  std::shared_ptr<Memory> memory_;
  std::shared_ptr<const LoadedModel> model_;
  SessionOptions options_;
  membank::DocumentId document_ = 0;
  std::vector<membank::Turn> turns_;
  size_t saved_turns_ = 0;
  bool resumed_ = false;
};

}  // namespace memlong::engine
