// The reading half of Snapshot, for snapshots and transactions alike.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "membank/bank.h"
#include "membank/reader.h"

namespace memlong::membank {

/// `Base` is Snapshot or Transaction; everything goes to one Reader.
template <class Base>
class Reading : public Base {
 public:
  template <class... Args>
  explicit Reading(Args&&... args) : reader_(std::forward<Args>(args)...) {}

  BankStats stats() const override { return reader_.stats(); }
  uint64_t generation() const override { return reader_.state().generation; }
  uint64_t removal_generation() const override { return reader_.state().removal_generation; }
  ChunkId last_chunk() const override { return reader_.state().last_chunk; }
  DocumentId last_document() const override { return reader_.state().last_document; }

  using Base::documents;
  using Base::for_each_chunk;
  std::vector<Document> documents(const OnDamage& damaged) const override {
    return reader_.documents(damaged);
  }
  std::vector<DocumentId> documents_of(const std::string& name_space,
                                       DocumentKind kind) const override {
    return reader_.documents_of(name_space, kind);
  }
  std::vector<DocumentId> documents_of(const std::string& name_space, DocumentKind kind,
                                       const std::string& name) const override {
    return reader_.documents_of(name_space, kind, name);
  }
  std::optional<Document> document(DocumentId id) const override { return reader_.document(id); }
  std::optional<Document> find_text(const std::string& name_space,
                                    const Digest& content_hash) const override {
    return reader_.find_text(name_space, content_hash);
  }
  std::optional<Document> find_name(const std::string& name_space, const std::string& name,
                                    DocumentKind kind) const override {
    return reader_.find_name(name_space, name, kind);
  }
  std::map<std::string, uint32_t> name_spaces() const override { return reader_.name_spaces(); }
  std::string name_space_name(uint32_t id) const override { return reader_.name_space_name(id); }

  std::optional<ChunkInfo> chunk(ChunkId id) const override { return reader_.chunk(id); }
  std::vector<int32_t> chunk_tokens(ChunkId id) const override { return reader_.chunk_tokens(id); }
  std::vector<float> chunk_vector(ChunkId id) const override { return reader_.chunk_vector(id); }
  std::vector<ChunkInfo> document_chunks(DocumentId id) const override {
    return reader_.document_chunks(id);
  }
  std::optional<DocumentId> document_of(ChunkId id) const override {
    return reader_.document_of(id);
  }
  std::vector<ChunkId> chunk_ids() const override { return reader_.chunk_ids(); }
  void for_each_chunk(ChunkId after, const std::function<void(const ChunkInfo&)>& fn,
                      const OnDamage& damaged) const override {
    reader_.for_each_chunk(after, fn, damaged);
  }
  void for_each_vector(
      ChunkId after,
      const std::function<void(ChunkId, std::span<const float>)>& fn) const override {
    reader_.for_each_vector(after, fn);
  }
  bool read_kv(ChunkId id, const TensorView& k, const TensorView& v) const override {
    return reader_.read_kv(id, k, v);
  }
  std::vector<bool> read_kv(std::span<const KvPlace> places,
                            const Context& context) const override {
    return reader_.read_kv(places, context);
  }

  std::string text(DocumentId id) const override { return reader_.text(id); }
  std::vector<Turn> turns(DocumentId id) const override { return reader_.turns(id); }
  std::string blob(const std::string& key) const override { return reader_.blob(key); }
  std::vector<std::string> blob_keys() const override { return reader_.blob_keys(); }

 protected:
  Reader reader_;
};

}  // namespace memlong::membank
