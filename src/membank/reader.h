// Reads records inside one transaction: what snapshots and transactions have in common.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "membank/bank.h"
#include "membank/lmdb_env.h"
#include "membank/records.h"

namespace memlong::membank {

/// Not thread-safe. Every method stays inside the environment's gate while it looks at the map,
/// and outside while it calls back.
class Reader {
 public:
  Reader(std::shared_ptr<Env> env, bool write, const Fingerprint& fingerprint);

  [[nodiscard]] Txn& txn() const { return txn_; }
  [[nodiscard]] const Fingerprint& fingerprint() const { return fingerprint_; }
  [[nodiscard]] State& state() { return state_; }
  [[nodiscard]] const State& state() const { return state_; }
  /// A record without its checksum, which was checked.
  [[nodiscard]] std::optional<std::string> record(Db db, std::string_view key) const;

  [[nodiscard]] BankStats stats() const;
  [[nodiscard]] std::vector<Document> documents(const OnDamage& damaged) const;
  [[nodiscard]] std::vector<DocumentId> documents_of(const std::string& name_space,
                                                     DocumentKind kind) const;
  [[nodiscard]] std::vector<DocumentId> documents_of(const std::string& name_space,
                                                     DocumentKind kind,
                                                     const std::string& name) const;
  [[nodiscard]] std::optional<Document> document(DocumentId id) const;
  /// One that is being copied, too.
  [[nodiscard]] std::optional<Document> stored_document(DocumentId id) const;
  [[nodiscard]] std::optional<Document> find_text(const std::string& name_space,
                                                  const Digest& content_hash) const;
  [[nodiscard]] std::optional<Document> find_name(const std::string& name_space,
                                                  const std::string& name, DocumentKind kind) const;
  [[nodiscard]] std::map<std::string, uint32_t> name_spaces() const;
  [[nodiscard]] std::optional<uint32_t> name_space_id(const std::string& name) const;
  [[nodiscard]] std::string name_space_name(uint32_t id) const;
  /// Namespaces that this transaction has made.
  void add_own_name_space(uint32_t id, const std::string& name) { own_name_spaces_[id] = name; }
  [[nodiscard]] const std::map<uint32_t, std::string>& own_name_spaces() const {
    return own_name_spaces_;
  }

  [[nodiscard]] std::optional<ChunkInfo> chunk(ChunkId id) const;
  [[nodiscard]] std::vector<int32_t> chunk_tokens(ChunkId id) const;
  [[nodiscard]] std::vector<float> chunk_vector(ChunkId id) const;
  [[nodiscard]] std::vector<ChunkInfo> document_chunks(DocumentId id) const;
  [[nodiscard]] std::optional<DocumentId> document_of(ChunkId id) const;
  [[nodiscard]] std::vector<ChunkId> chunk_ids() const;
  void for_each_chunk(ChunkId after, const std::function<void(const ChunkInfo&)>& fn,
                      const OnDamage& damaged) const;
  void for_each_vector(ChunkId after,
                       const std::function<void(ChunkId, std::span<const float>)>& fn) const;
  bool read_kv(ChunkId id, const TensorView& k, const TensorView& v) const;
  [[nodiscard]] std::vector<bool> read_kv(std::span<const KvPlace> places,
                                          const Context& context) const;
  [[nodiscard]] std::optional<Usage> usage(ChunkId id) const;

  [[nodiscard]] std::string text(DocumentId id) const;
  [[nodiscard]] std::vector<Turn> turns(DocumentId id) const;
  [[nodiscard]] std::string blob(const std::string& key) const;
  [[nodiscard]] std::vector<std::string> blob_keys() const;

 private:
  /// A chunk's K and V as they lie in the map.
  struct StoredKv {
    std::string key;
    std::string_view sealed;  ///< with its checksum, which was not looked at
    std::string_view tail;
  };

  [[nodiscard]] std::optional<StoredKv> find_kv(const KvPlace& place) const;
  void copy_kv(const StoredKv& stored, const KvPlace& place) const;
  [[nodiscard]] std::vector<DocumentId> ids_behind(Db db, const std::string& prefix) const;
  [[nodiscard]] Document named(Document document) const;
  /// Fills the names of namespaces that this transaction sees into what all of them share.
  void learn_name_spaces() const;
  struct ListedChunk {
    ChunkId id = 0;
    int64_t begin = 0;
  };
  /// A document's chunks by position, without a look at them.
  [[nodiscard]] std::vector<ListedChunk> listed_chunks(DocumentId id) const;
  struct ChunkBatch {
    std::vector<ChunkInfo> chunks;
    std::vector<std::pair<ChunkId, std::string>> damaged;
    ChunkId last = 0;  ///< 0: there are no more
  };
  [[nodiscard]] ChunkBatch next_chunks(ChunkId after, bool pass_over) const;
  std::vector<ChunkId> next_vectors(ChunkId after, std::vector<float>& values) const;
  void for_each_part(Db db, DocumentId id, const std::function<void(std::string_view)>& fn) const;

  mutable Txn txn_;
  Fingerprint fingerprint_;
  State state_;
  uint32_t committed_name_spaces_ = 0;                       ///< the last id when this began
  mutable std::map<uint32_t, std::string> own_name_spaces_;  ///< made by this transaction
};

}  // namespace memlong::membank
