// A bank made searchable: the index follows the bank, queries become sets of keys and values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/loaded_model.h"
#include "membank/bank.h"
#include "retriever/embedder.h"
#include "retriever/index.h"

namespace memlong::engine {

/// What may be retrieved besides the own stream.
struct ReadScope {
  std::vector<std::string> name_spaces;        ///< all documents of these
  std::vector<membank::DocumentId> documents;  ///< and these
  bool everything = false;                     ///< the whole bank
};

/// All texts of a namespace that are in the bank now, and no dialog.
ReadScope texts_of(const membank::Snapshot& snapshot, const std::string& name_space);

struct FoundChunk {
  membank::ChunkInfo info;
  float score = 0.0F;
};

/// Decides on a chunk from its header alone.
using ChunkFilter = std::function<bool(const membank::ChunkInfo&)>;

/// Not thread-safe; each thread has its own, the bank is shared. A chunk that it found may be gone
/// when it is read: another thread or process has forgotten it since refresh().
class Memory {
 public:
  /// Loads or builds the index. An hnsw index is kept in the bank's folder (where the bank is open
  /// for writing) and reused; a snapshot that is damaged, older than a removal, or of another
  /// history of the bank (a backup that was put back) is built anew.
  explicit Memory(std::shared_ptr<membank::Bank> bank, const retriever::IndexOptions& options = {});

  [[nodiscard]] membank::Bank& bank() const { return *bank_; }
  [[nodiscard]] std::shared_ptr<membank::Bank> shared_bank() const { return bank_; }

  /// Follows commits since the last call, of this process and of others. What was removed is taken
  /// out of the index; an hnsw index is built anew when a quarter of it is gone.
  void refresh();

  /// The k best chunks over all queries (each [E]; best score of each chunk), best first.
  [[nodiscard]] std::vector<FoundChunk> search(std::span<const std::vector<float>> queries,
                                               int64_t k, const ChunkFilter& filter) const;

  /// All chunks of a document with their best scores over the queries, oldest first; exact,
  /// whatever the index.
  [[nodiscard]] std::vector<FoundChunk> chunks_of(std::span<const std::vector<float>> queries,
                                                  membank::DocumentId document) const;

  /// Filter for a scope, by what the last refresh() found.
  [[nodiscard]] ChunkFilter scope_filter(const ReadScope& scope) const;
  /// How many namespaces it knows: while that stays, a filter stays right.
  [[nodiscard]] size_t known_name_spaces() const { return name_spaces_.size(); }

  /// The stored vector of a chunk, by what the last refresh() found; empty: it has none. Valid
  /// until the next refresh().
  [[nodiscard]] std::span<const float> vector(membank::ChunkId id) const {
    return index_->vector(id);
  }
  [[nodiscard]] const membank::ChunkInfo* info(membank::ChunkId id) const;
  /// The newest chunk of a document; null: it has none.
  [[nodiscard]] const membank::ChunkInfo* last_of(membank::DocumentId document) const;
  /// The chunk of the same document right before (step -1) or behind (1) a chunk; null where there
  /// is none, or it was forgotten.
  [[nodiscard]] const membank::ChunkInfo* beside(membank::ChunkId id, int step) const;
  [[nodiscard]] const std::vector<membank::ChunkInfo>& chunks() const { return chunks_; }

 private:
  bool load(const membank::Snapshot& snapshot);
  void save() const;
  void rebuild(const membank::Snapshot& snapshot);
  void append_new(const membank::Snapshot& snapshot);
  void append(const membank::ChunkInfo& info, const membank::Snapshot& snapshot);
  void link(const membank::ChunkInfo& info);
  bool drop_removed(const membank::Snapshot& snapshot);
  void forget_chunks();
  [[nodiscard]] std::filesystem::path snapshot_path() const;
  [[nodiscard]] std::string history() const;

  std::shared_ptr<membank::Bank> bank_;
  retriever::IndexOptions options_;
  std::unique_ptr<retriever::VectorIndex> index_;
  /// Where the chunks of the same document lie that were stored before and after one; -1: none.
  struct Beside {
    int64_t before = -1;
    int64_t behind = -1;
  };
  std::vector<membank::ChunkInfo> chunks_;                 ///< by id
  std::vector<Beside> beside_;                             ///< of each chunk
  std::unordered_map<membank::DocumentId, int64_t> last_;  ///< place of its newest chunk
  std::map<std::string, uint32_t> name_spaces_;            ///< of these chunks
  std::unordered_set<uint32_t> name_space_ids_;
  uint64_t generation_ = 0;
};

/// Removes the index snapshots in a bank's folder: they hold vectors of what was forgotten. The
/// next start builds them anew.
void drop_index_snapshots(const std::filesystem::path& bank_folder);

}  // namespace memlong::engine
