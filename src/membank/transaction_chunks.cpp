#include <algorithm>
#include <array>

#include "common/clock.h"
#include "common/error.h"
#include "membank/kv_codec.h"
#include "membank/transaction.h"

namespace memlong::membank {
namespace {

constexpr const char* kRemoving = "removing";  ///< key in `meta`

}  // namespace

void TransactionImpl::check_chunk(std::span<const int32_t> ids,
                                  std::span<const float> vector) const {
  const Fingerprint& f = reader_.fingerprint();
  MEMLONG_CHECK(!ids.empty() && ids.size() <= static_cast<size_t>(f.chunk_tokens),
                "a chunk has 1 to " + std::to_string(f.chunk_tokens) + " tokens, not " +
                    std::to_string(ids.size()));
  MEMLONG_CHECK(vector.size() == static_cast<size_t>(f.embedder_dim),
                "a vector has " + std::to_string(vector.size()) + " elements instead of " +
                    std::to_string(f.embedder_dim));
}

ChunkId TransactionImpl::insert_chunk(ChunkInfo info, std::span<const int32_t> ids,
                                      std::span<const float> vector, const TensorView& k,
                                      const TensorView& v) {
  check_chunk(ids, vector);
  check_kv_views(reader_.fingerprint(), static_cast<int64_t>(ids.size()), k, v);
  const std::string place = key_u64_u64(info.document, static_cast<uint64_t>(info.begin));
  if (txn().get(Db::doc_chunks, place)) {  // not to be lost: its keys and values are there, too
    fail(ErrorKind::corrupt, "document " + std::to_string(info.document) +
                                 " has a chunk at token " + std::to_string(info.begin) +
                                 " already; memlong-bank verify lists all that is wrong");
  }
  info.id = ++state().last_chunk;
  const std::string key = key_u64(info.id);
  const size_t bytes = kv_bytes(reader_.fingerprint(), static_cast<int64_t>(ids.size()));
  const size_t tail_size = std::min(kKvTailBytes, bytes);
  const size_t head_size = bytes - tail_size;
  std::array<char, kKvTailBytes> tail{};
  const std::string vector_body = encode_vector(vector);
  char* head = txn().reserve(Db::kv, key, head_size + kCrcBytes);
  encode_kv(k, v, reader_.fingerprint().kv_dtype, head, head_size, tail.data(), tail_size);
  seal_in_place(key, head, head_size + kCrcBytes);
  put(Db::chunks, key, encode_chunk(info, ids, {tail.data(), tail_size}));
  put(Db::vectors, key, vector_body);
  put(Db::doc_chunks, place, encode_u64(info.id));
  ++state().chunks;
  state().tokens += static_cast<int64_t>(ids.size());
  return info.id;
}

ChunkId TransactionImpl::append_chunk(DocumentId id, std::span<const int32_t> ids,
                                      std::span<const float> vector, const TensorView& k,
                                      const TensorView& v) {
  Document document = load(id);
  const int64_t begin = document.tokens - static_cast<int64_t>(document.tail.size());
  MEMLONG_CHECK(begin % reader_.fingerprint().chunk_tokens == 0,
                "a short chunk is a document's last one");
  ChunkInfo info;
  info.document = id;
  info.name_space_id = document.name_space_id;
  info.begin = begin;
  info.created = now_micros();
  const ChunkId chunk = insert_chunk(info, ids, vector, k, v);
  document.tokens = begin + static_cast<int64_t>(ids.size());
  document.tail.clear();
  ++document.chunks;
  store(document);
  return chunk;
}

ChunkId TransactionImpl::copy_chunk(DocumentId id, const ChunkInfo& original,
                                    std::span<const int32_t> ids, std::span<const float> vector,
                                    const TensorView& k, const TensorView& v) {
  MEMLONG_CHECK(state().copying == id, "a copy that was not begun");
  Document document = load(id);
  ChunkInfo info = original;
  info.document = id;
  info.name_space_id = document.name_space_id;
  const ChunkId chunk = insert_chunk(info, ids, vector, k, v);
  ++document.chunks;
  document.tokens = std::max(document.tokens, info.begin + static_cast<int64_t>(ids.size()));
  store(document);
  if (original.hits > 0) {
    put(Db::usage, key_u64(chunk), encode_usage({original.hits, original.last_hit}));
  }
  return chunk;
}

void TransactionImpl::erase_chunk(ChunkId id, DocumentId document, int64_t begin, int64_t tokens) {
  const std::string key = key_u64(id);
  for (const Db db : {Db::chunks, Db::kv, Db::vectors, Db::usage}) txn().erase(db, key);
  txn().erase(Db::doc_chunks, key_u64_u64(document, static_cast<uint64_t>(begin)));
  --state().chunks;
  state().tokens -= tokens;
  state().removal_generation = state().generation;
}

Removed TransactionImpl::remove_chunks(std::span<const ChunkId> ids) {
  Removed removed;
  std::map<DocumentId, int64_t> gone;
  for (const ChunkId id : ids) {
    const auto info = reader_.chunk(id);
    if (!info) continue;
    erase_chunk(id, info->document, info->begin, info->tokens);
    ++gone[info->document];
    ++removed.chunks;
    removed.tokens += info->tokens;
  }
  for (const auto& [id, count] : gone) {
    Document document = load(id);
    document.chunks -= count;
    put(Db::docs, key_u64(id), encode_document(document));
  }
  return removed;
}

void TransactionImpl::set_removing(std::span<const ChunkId> ids) {
  if (ids.empty()) {
    txn().erase(Db::meta, kRemoving);
    return;
  }
  std::string body;
  for (const ChunkId id : ids) body += encode_u64(id);
  put(Db::meta, kRemoving, std::move(body));
}

std::vector<ChunkId> TransactionImpl::removing() const {
  const std::string body = reader_.record(Db::meta, kRemoving).value_or("");
  std::vector<ChunkId> ids;
  for (size_t at = 0; at + sizeof(ChunkId) <= body.size(); at += sizeof(ChunkId)) {
    ids.push_back(decode_u64(std::string_view(body).substr(at, sizeof(ChunkId))));
  }
  return ids;
}

void TransactionImpl::add_hits(const std::map<ChunkId, uint64_t>& hits, int64_t time) {
  Hits all;
  for (const auto& [id, count] : hits) all[id] = {count, time};
  add_hits(all);
}

void TransactionImpl::add_hits(const Hits& hits) {
  for (const auto& [id, added] : hits) {
    const std::string key = key_u64(id);
    if (!txn().get(Db::chunks, key)) continue;
    Usage usage = reader_.usage(id).value_or(Usage{});
    usage.hits += added.hits;
    usage.last_hit = std::max(usage.last_hit, added.last_hit);
    put(Db::usage, key, encode_usage(usage));
  }
}

}  // namespace memlong::membank
