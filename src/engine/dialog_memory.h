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

  std::shared_ptr<const RetrievedSet> retrieve(std::span<const std::vector<float>> queries,
                                               int64_t position, int64_t window_start) override;
  void completed(EncodedChunk&& chunk) override;
  void dropped(int64_t begin) override;
  std::vector<float> known_vector(int64_t begin) override;

  /// The dialog's document in the bank; 0: none yet.
  void set_document(membank::DocumentId document) { document_ = document; }
  [[nodiscard]] membank::DocumentId document() const { return document_; }
  /// Chunks that the bank does not have, oldest first.
  [[nodiscard]] const std::vector<EncodedChunk>& pending() const { return pending_; }
  /// They are in the bank now.
  void committed();
  /// For tests and reports.
  [[nodiscard]] const ChunkCache& cache() { return gatherer_.cache(); }

 private:
  std::vector<bool> read(const membank::Snapshot* now, std::span<const ChunkPlace> places);
  void drop_removed(const membank::Snapshot& now);
  [[nodiscard]] std::vector<RetrievedChunk> stored_candidates(
      std::span<const std::vector<float>> queries, int64_t window_start) const;
  void add_pending_candidates(std::span<const std::vector<float>> queries, int64_t window_start,
                              std::vector<RetrievedChunk>& found) const;
  /// One of pending().
  [[nodiscard]] RetrievedChunk as_retrieved(const EncodedChunk& chunk,
                                            std::span<const std::vector<float>> queries) const;
  /// The chunks right before and behind one, of those that the window may read.
  [[nodiscard]] std::vector<RetrievedChunk> beside(std::span<const std::vector<float>> queries,
                                                   int64_t window_start,
                                                   const RetrievedChunk& chunk) const;
  [[nodiscard]] std::optional<RetrievedChunk> stored_beside(const RetrievedChunk& chunk,
                                                            int step) const;
  [[nodiscard]] const EncodedChunk* pending_at(int64_t begin) const;

  Context host_;  ///< for copies within main memory
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<Memory> memory_;
  ReadScope scope_;
  membank::DocumentId document_ = 0;
  std::vector<EncodedChunk> pending_;
  SetGatherer gatherer_;
  uint64_t seen_ = 0;  ///< generation of the bank that the gatherer's cache is right for
};

}  // namespace memlong::engine
