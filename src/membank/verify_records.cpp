#include "membank/verify_records.h"

#include <algorithm>

#include "common/error.h"
#include "membank/kv_codec.h"
#include "membank/manifest.h"

namespace memlong::membank {

void RecordCheck::add(Db db, std::string_view key, const std::string& what) {
  bad_.push_back({db_name(db), printable_key(key), what});
}

void RecordCheck::record(Db db, std::string_view key, std::string_view value) {
  const bool good = intact(key, value);
  if (!good) {
    add(db, key, "checksum does not match");
    // Remembered, so that what belongs to it is not called an orphan.
    if (db == Db::chunks && key.size() == 8) chunks_[read_big_u64(key, 0)].finding = bad_.size();
    if (db == Db::docs && key.size() == 8) documents_[read_big_u64(key, 0)];
    if (db == Db::kv || db == Db::vectors || db == Db::doc_chunks) return;
    return;
  }
  try {
    check(db, key, value.substr(0, value.size() - kCrcBytes));
  } catch (const Error& error) {
    add(db, key, error.what());
  }
}

void RecordCheck::check(Db db, std::string_view key, std::string_view body) {
  switch (db) {
    case Db::meta:
      return check_meta(key, body);
    case Db::namespaces:
      name_spaces_[decode_u32(body)] = key;
      return;
    case Db::docs: {
      SeenDocument& seen = documents_[read_big_u64(key, 0)];
      seen.document = decode_document(read_big_u64(key, 0), body);
      seen.readable = true;
      return;
    }
    case Db::doc_names:
    case Db::doc_hashes:
      return check_name(db, key);
    case Db::chunks:
      return check_chunk(key, body);
    case Db::kv:
      return check_kv(key, body);
    case Db::vectors:
      return check_vector(key, body);
    case Db::usage:
      decode_usage(body);
      chunk_of(db, key);
      return;
    case Db::doc_chunks:
      return check_chunk_list(key, body);
    case Db::texts:
    case Db::turns:
      return check_part(db, key, body);
    case Db::blobs:
      return;
  }
}

void RecordCheck::check_meta(std::string_view key, std::string_view body) {
  if (key == "manifest") {
    manifest_ = true;
    if (decode_manifest(body, "") != fingerprint_) add(Db::meta, key, "another fingerprint");
  } else if (key == "state") {
    state_ = decode_state(body);
    has_state_ = true;
  }
}

RecordCheck::SeenChunk* RecordCheck::chunk_of(Db db, std::string_view key) {
  const auto found = chunks_.find(read_big_u64(key, 0));
  if (found != chunks_.end()) return &found->second;
  add(db, key, "belongs to no chunk");
  return nullptr;
}

RecordCheck::SeenDocument* RecordCheck::document_of(Db db, std::string_view key, DocumentId id) {
  const auto found = documents_.find(id);
  if (found != documents_.end()) return &found->second;
  add(db, key, "belongs to no document");
  return nullptr;
}

void RecordCheck::check_name(Db db, std::string_view key) {
  SeenDocument* seen = document_of(db, key, read_big_u64(key, key.size() - 8));
  if (seen == nullptr || !seen->readable) return;
  const Document& document = seen->document;
  const std::string prefix = db == Db::doc_names
                                 ? key_name(document.name_space_id, document.kind, document.name)
                                 : key_hash(document.name_space_id, document.content_hash);
  if (prefix + key_u64(document.id) != key) {
    add(db, key, "says another thing than document " + std::to_string(document.id));
    return;
  }
  (db == Db::doc_names ? seen->named : seen->hashed) = true;
}

void RecordCheck::check_chunk(std::string_view key, std::string_view body) {
  const ChunkId id = read_big_u64(key, 0);
  SeenChunk& seen = chunks_[id];
  seen.info = decode_chunk(id, body);
  seen.readable = true;
  const ChunkInfo& info = seen.info;
  const bool size = info.tokens > 0 && info.tokens <= fingerprint_.chunk_tokens;
  const size_t tail = size ? std::min(kKvTailBytes, kv_bytes(fingerprint_, info.tokens)) : 0;
  if (!size || chunk_kv_tail(body).size() != tail) {
    add(Db::chunks, key, "has a wrong length");
    return;
  }
  const SeenDocument* owner = document_of(Db::chunks, key, info.document);
  if (owner == nullptr || !owner->readable) return;
  const Document& document = owner->document;
  const int64_t end = document.tokens - static_cast<int64_t>(document.tail.size());
  const bool placed = info.begin >= 0 && info.begin % fingerprint_.chunk_tokens == 0 &&
                      info.tokens == std::min<int64_t>(fingerprint_.chunk_tokens, end - info.begin);
  if (!placed) add(Db::chunks, key, "does not fit into its document");
  if (info.name_space_id != document.name_space_id) {
    add(Db::chunks, key, "has another namespace than its document");
  }
}

void RecordCheck::check_kv(std::string_view key, std::string_view body) {
  SeenChunk* chunk = chunk_of(Db::kv, key);
  if (chunk == nullptr) return;
  chunk->kv = true;
  if (!chunk->readable) return;
  const size_t bytes = kv_bytes(fingerprint_, chunk->info.tokens);
  if (body.size() != bytes - std::min(kKvTailBytes, bytes)) add(Db::kv, key, "has a wrong length");
}

void RecordCheck::check_vector(std::string_view key, std::string_view body) {
  SeenChunk* chunk = chunk_of(Db::vectors, key);
  if (chunk == nullptr) return;
  chunk->vector = true;
  if (body.size() != 2 * static_cast<size_t>(fingerprint_.embedder_dim)) {
    add(Db::vectors, key, "has a wrong length");
  }
}

void RecordCheck::check_chunk_list(std::string_view key, std::string_view body) {
  const DocumentId document = read_big_u64(key, 0);
  SeenDocument* owner = document_of(Db::doc_chunks, key, document);
  if (owner != nullptr) ++owner->chunks;
  const auto found = chunks_.find(decode_u64(body));
  if (found == chunks_.end()) {
    add(Db::doc_chunks, key, "names a chunk that is not there");
    return;
  }
  found->second.listed = true;
  if (found->second.finding != 0) {  // which says no more whose it is
    bad_[found->second.finding - 1].what +=
        " (a chunk of document " + std::to_string(document) + ")";
  }
  const ChunkInfo& info = found->second.info;
  const bool same =
      info.document == document && static_cast<uint64_t>(info.begin) == read_big_u64(key, 8);
  if (found->second.readable && !same) add(Db::doc_chunks, key, "names another document's chunk");
}

void RecordCheck::check_part(Db db, std::string_view key, std::string_view body) {
  SeenDocument* owner = document_of(db, key, read_big_u64(key, 0));
  const size_t bytes = db == Db::texts ? body.size() : decode_turn(body).content.size();
  if (owner == nullptr) return;
  if (read_big_u32(key, 8) != owner->parts) add(db, key, "a part before it is missing");
  owner->parts = read_big_u32(key, 8) + 1;
  owner->text_bytes += static_cast<int64_t>(bytes);
}

void RecordCheck::finish_chunk(ChunkId id, const SeenChunk& chunk) {
  const std::string key = key_u64(id);
  if (!chunk.kv) add(Db::kv, key, "is missing or damaged");
  if (!chunk.vector) add(Db::vectors, key, "is missing or damaged");
  if (chunk.readable && !chunk.listed) add(Db::chunks, key, "is missing in doc_chunks");
}

void RecordCheck::finish_document(DocumentId id, const SeenDocument& seen) {
  if (!seen.readable) return;
  const Document& document = seen.document;
  const std::string key = key_u64(id);
  const auto differ = [&](const char* what, int64_t said, int64_t found) {
    if (said == found) return;
    add(Db::docs, key,
        std::string("speaks of ") + std::to_string(said) + " " + what + ", there are " +
            std::to_string(found));
  };
  differ("chunks", document.chunks, seen.chunks);
  differ("bytes of text", document.text_bytes, seen.text_bytes);
  if (!name_spaces_.contains(document.name_space_id)) add(Db::docs, key, "has no namespace");
  if (has_state_ && state_.copying == id) return;
  if (!seen.named) add(Db::doc_names, key, "is missing for this document");
  if (!seen.hashed && document.content_hash != Digest{}) {
    add(Db::doc_hashes, key, "is missing for this document");
  }
}

void RecordCheck::finish_state() {
  if (!manifest_) add(Db::meta, "manifest", "is missing or damaged");
  if (!has_state_) {
    add(Db::meta, "state", "is missing or damaged");
    return;
  }
  int64_t tokens = 0;
  bool all_readable = true;
  for (const auto& [id, chunk] : chunks_) {
    tokens += chunk.info.tokens;
    all_readable = all_readable && chunk.readable;
  }
  const bool counted = state_.documents == static_cast<int64_t>(documents_.size()) &&
                       state_.chunks == static_cast<int64_t>(chunks_.size()) &&
                       (!all_readable || state_.tokens == tokens);
  if (!counted) add(Db::meta, "state", "counts other documents, chunks or tokens than there are");
  const bool ids = (chunks_.empty() || chunks_.rbegin()->first <= state_.last_chunk) &&
                   (documents_.empty() || documents_.rbegin()->first <= state_.last_document);
  if (!ids) add(Db::meta, "state", "knows a smaller last id than there is");
}

void RecordCheck::finish() {
  for (const auto& [id, chunk] : chunks_) finish_chunk(id, chunk);
  for (const auto& [id, document] : documents_) finish_document(id, document);
  finish_state();
}

}  // namespace memlong::membank
