// Checks records against each other while they pass by.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "membank/bank.h"
#include "membank/lmdb_env.h"
#include "membank/records.h"

namespace memlong::membank {

/// Feed it all records, database by database in the order of kVerifyOrder, then call finish().
class RecordCheck {
 public:
  RecordCheck(const Fingerprint& fingerprint, std::vector<BadRecord>& bad)
      : fingerprint_(fingerprint), bad_(bad) {}
  void record(Db db, std::string_view key, std::string_view value);
  void finish();

 private:
  struct SeenChunk {
    ChunkInfo info;
    bool readable = false;
    bool kv = false;
    bool vector = false;
    bool listed = false;
    size_t finding = 0;  ///< of one that is damaged: its place among all, from 1
  };
  struct SeenDocument {
    Document document;
    bool readable = false;
    int64_t chunks = 0;
    int64_t text_bytes = 0;
    uint32_t parts = 0;
    bool named = false;
    bool hashed = false;
  };

  void add(Db db, std::string_view key, const std::string& what);
  void check(Db db, std::string_view key, std::string_view body);
  void check_meta(std::string_view key, std::string_view body);
  void check_chunk(std::string_view key, std::string_view body);
  void check_kv(std::string_view key, std::string_view body);
  void check_vector(std::string_view key, std::string_view body);
  void check_chunk_list(std::string_view key, std::string_view body);
  void check_part(Db db, std::string_view key, std::string_view body);
  void check_name(Db db, std::string_view key);
  void finish_chunk(ChunkId id, const SeenChunk& chunk);
  void finish_document(DocumentId id, const SeenDocument& seen);
  void finish_state();
  SeenChunk* chunk_of(Db db, std::string_view key);
  SeenDocument* document_of(Db db, std::string_view key, DocumentId id);

  const Fingerprint& fingerprint_;
  std::vector<BadRecord>& bad_;
  bool manifest_ = false;
  bool has_state_ = false;
  State state_;
  std::map<uint32_t, std::string> name_spaces_;
  std::map<ChunkId, SeenChunk> chunks_;
  std::map<DocumentId, SeenDocument> documents_;
};

inline constexpr std::array<Db, kDbCount> kVerifyOrder = {
    Db::meta,    Db::namespaces, Db::docs,       Db::doc_names, Db::doc_hashes, Db::chunks, Db::kv,
    Db::vectors, Db::usage,      Db::doc_chunks, Db::texts,     Db::turns,      Db::blobs};

}  // namespace memlong::membank
