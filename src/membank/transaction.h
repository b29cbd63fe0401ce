// A write transaction: changes records and keeps the bank's counters.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "membank/bank.h"
#include "membank/reading.h"

namespace memlong::membank {

/// Retrievals that are not yet in the bank.
using Hits = std::map<ChunkId, Usage>;

/// Used by one thread, inside Bank::update.
class TransactionImpl final : public Reading<Transaction> {
 public:
  TransactionImpl(std::shared_ptr<Env> env, const Fingerprint& fingerprint)
      : Reading<Transaction>(std::move(env), true, fingerprint) {
    ++state().generation;
  }

  DocumentId create_document(const NewDocument& document) override;
  ChunkId append_chunk(DocumentId id, std::span<const int32_t> ids, std::span<const float> vector,
                       const TensorView& k, const TensorView& v) override;
  void append_text(DocumentId id, std::string_view text) override;
  void append_turn(DocumentId id, const Turn& turn) override;
  void set_tail(DocumentId id, std::span<const int32_t> ids) override;
  void set_settings(DocumentId id, const std::string& settings) override;
  void finish_document(DocumentId id) override;
  Removed forget(DocumentId id) override;
  Removed remove_chunks(std::span<const ChunkId> ids) override;
  void add_hits(const std::map<ChunkId, uint64_t>& hits, int64_t time) override;
  void set_blob(const std::string& key, std::string_view value) override;
  DocumentId begin_copy(const Document& original) override;
  ChunkId copy_chunk(DocumentId id, const ChunkInfo& original, std::span<const int32_t> ids,
                     std::span<const float> vector, const TensorView& k,
                     const TensorView& v) override;
  void finish_copy(DocumentId id, const Document& original) override;

  void add_hits(const Hits& hits);
  /// Chunks that go in several commits: what a crash leaves of them is still to be removed.
  void set_removing(std::span<const ChunkId> ids);
  [[nodiscard]] std::vector<ChunkId> removing() const;
  void commit();
  [[nodiscard]] bool map_full() const { return reader_.txn().map_full(); }
  [[nodiscard]] DocumentId unfinished_copy() const { return reader_.state().copying; }

 private:
  State& state() { return reader_.state(); }
  Txn& txn() { return reader_.txn(); }
  void put(Db db, std::string_view key, std::string body);
  [[nodiscard]] Document load(DocumentId id) const;
  void store(Document& document);
  DocumentId insert_document(Document document);
  void insert_names(const Document& document);
  uint32_t name_space_id(const std::string& name);
  ChunkId insert_chunk(ChunkInfo info, std::span<const int32_t> ids, std::span<const float> vector,
                       const TensorView& k, const TensorView& v);
  void check_chunk(std::span<const int32_t> ids, std::span<const float> vector) const;
  void erase_chunk(ChunkId id, DocumentId document, int64_t begin, int64_t tokens);
  void erase_parts(Db db, DocumentId id);
};

}  // namespace memlong::membank
