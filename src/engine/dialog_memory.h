// The memory of one dialog: its chunks in the bank, those that are not there yet, and what else the
// session may read, behind the SetSource that a stream asks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/gather.h"
#include "engine/memory.h"
#include "engine/stream.h"
#include "membank/bank.h"

namespace memlong::engine {

/// Not thread-safe.
class DialogMemory : public SetSource {
 public:
  /// `memory` may be null: only the dialog's own chunks, kept in this object. `cached_chunks`: K
  /// and V of so many chunks stay where the network runs (SetGatherer). A chunk that the bank has
  /// lost is never read from there.
  DialogMemory(Context& context, std::shared_ptr<const LoadedModel> model,
               std::shared_ptr<Memory> memory, const ReadScope& scope, int64_t cached_chunks = 0);

  std::shared_ptr<const RetrievedSet> retrieve(const SetRequest& request) override;
  void completed(EncodedChunk&& chunk) override;
  void dropped(int64_t begin) override;
  std::vector<float> known_vector(int64_t begin) override;

  /// The dialog's document in the bank; 0: none yet.
  void set_document(membank::DocumentId document) { document_ = document; }
  [[nodiscard]] membank::DocumentId document() const { return document_; }
  /// What is read besides the own chunks, from now on.
  void set_scope(const ReadScope& scope) {
    scope_ = scope;
    in_scope_ = nullptr;
  }
  /// Chunks that the bank does not have, oldest first.
  [[nodiscard]] const std::vector<EncodedChunk>& pending() const { return pending_; }
  /// They are in the bank now.
  void committed();
  /// For tests and reports.
  [[nodiscard]] const ChunkCache& cache() { return gatherer_.cache(); }

 private:
  std::vector<bool> read(const membank::Snapshot* now, std::span<const ChunkPlace> places);
  void follow_bank();
  void drop_removed(const membank::Snapshot& now);
  /// The own chunks right before the window, newest first, as far as there is no gap.
  [[nodiscard]] std::vector<RetrievedChunk> recent(const SetRequest& request) const;
  /// What is like the queries; of the own chunks those that end at `own_end` or before.
  [[nodiscard]] std::vector<RetrievedChunk> nearest(const SetRequest& request,
                                                    int64_t own_end) const;
  /// Of the bank: the likest, and where near ones may overtake them all own ones.
  [[nodiscard]] std::vector<RetrievedChunk> stored_candidates(
      std::span<const std::vector<float>> queries, int64_t own_end, bool all_own) const;
  void add_pending_candidates(std::span<const std::vector<float>> queries, int64_t own_end,
                              std::vector<RetrievedChunk>& found) const;
  /// One of pending().
  [[nodiscard]] RetrievedChunk as_retrieved(const EncodedChunk& chunk,
                                            std::span<const std::vector<float>> queries) const;
  /// One of the bank; null: none.
  [[nodiscard]] std::optional<RetrievedChunk> as_retrieved(
      const membank::ChunkInfo* stored, std::span<const std::vector<float>> queries) const;
  /// The chunks right before and behind one; of the own chunks those that end at `own_end` or
  /// before.
  [[nodiscard]] std::vector<RetrievedChunk> beside(std::span<const std::vector<float>> queries,
                                                   int64_t own_end,
                                                   const RetrievedChunk& chunk) const;
  /// The chunk right before (-1) or behind (1) one, in the bank or not yet.
  [[nodiscard]] std::optional<RetrievedChunk> next_to(
      const RetrievedChunk& chunk, int step, std::span<const std::vector<float>> queries) const;
  [[nodiscard]] const membank::ChunkInfo* stored_beside(const RetrievedChunk& chunk,
                                                        int step) const;
  [[nodiscard]] const EncodedChunk* pending_at(int64_t begin) const;

  Context host_;  ///< for copies within main memory
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<Memory> memory_;
  ReadScope scope_;
  ChunkFilter in_scope_;    ///< of scope_, made when it is needed
  size_t name_spaces_ = 0;  ///< that were known then
  membank::DocumentId document_ = 0;
  std::vector<EncodedChunk> pending_;
  SetGatherer gatherer_;
  uint64_t seen_ = 0;  ///< generation of the bank that the gatherer's cache is right for
};

}  // namespace memlong::engine
