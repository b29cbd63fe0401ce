#include <algorithm>
#include <exception>
#include <set>

#include "common/error.h"
#include "membank/kv_codec.h"
#include "membank/reader.h"
#include "tensor/parallel.h"

namespace memlong::membank {
namespace {

constexpr size_t kChunksAtOnce = 512;
constexpr size_t kVectorFloatsAtOnce = size_t{1} << 16;
constexpr double kNanosecondsPerByte = 0.06;  // to check and copy K and V on one thread

void add_usage(ChunkInfo& info, const Usage& usage) {
  info.hits = usage.hits;
  info.last_hit = usage.last_hit;
}

/// Asks for memory that is read soon. Harmless wherever it points.
void prefetch(std::string_view bytes) {
  constexpr size_t kLine = 64;
  constexpr size_t kMost = 512;
  for (size_t at = 0; at < std::min(bytes.size(), kMost); at += kLine) {
    __builtin_prefetch(bytes.data() + at);
  }
}

}  // namespace

std::optional<Usage> Reader::usage(ChunkId id) const {
  const auto body = record(Db::usage, key_u64(id));
  if (!body) return std::nullopt;
  return decode_usage(*body);
}

std::optional<ChunkInfo> Reader::chunk(ChunkId id) const {
  const auto body = record(Db::chunks, key_u64(id));
  if (!body) return std::nullopt;
  ChunkInfo info = decode_chunk(id, *body);
  if (const auto used = usage(id)) add_usage(info, *used);
  return info;
}

std::vector<int32_t> Reader::chunk_tokens(ChunkId id) const {
  const auto body = record(Db::chunks, key_u64(id));
  return body ? decode_chunk_tokens(*body) : std::vector<int32_t>();
}

std::vector<float> Reader::chunk_vector(ChunkId id) const {
  const auto body = record(Db::vectors, key_u64(id));
  if (!body) return {};
  std::vector<float> values(static_cast<size_t>(fingerprint_.embedder_dim));
  decode_vector(*body, values);
  return values;
}

std::vector<Reader::ListedChunk> Reader::listed_chunks(DocumentId id) const {
  const std::string prefix = key_u64(id);
  std::vector<ListedChunk> listed;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::doc_chunks);
  for (bool more = cursor.seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.next()) {
    const auto body = open_record(db_name(Db::doc_chunks), cursor.key(), cursor.value());
    listed.push_back({decode_u64(body), static_cast<int64_t>(read_big_u64(cursor.key(), 8))});
  }
  return listed;
}

std::vector<ChunkInfo> Reader::document_chunks(DocumentId id) const {
  const std::vector<ListedChunk> listed = listed_chunks(id);
  std::vector<ChunkInfo> chunks;
  chunks.reserve(listed.size());
  for (const ListedChunk& each : listed) {
    if (auto info = chunk(each.id)) chunks.push_back(*info);
  }
  return chunks;
}

std::optional<DocumentId> Reader::document_of(ChunkId id) const {
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::doc_chunks);
  for (bool more = cursor.first(); more; more = cursor.next()) {
    if (!intact(cursor.key(), cursor.value())) continue;  // another's, perhaps
    const auto body = open_record(db_name(Db::doc_chunks), cursor.key(), cursor.value());
    if (decode_u64(body) == id) return read_big_u64(cursor.key(), 0);
  }
  return std::nullopt;
}

std::vector<ChunkId> Reader::chunk_ids() const {
  std::vector<ChunkId> ids;
  {
    const GatePass pass(txn_.env().gate());
    Cursor cursor(txn_, Db::doc_chunks);
    for (bool more = cursor.first(); more; more = cursor.next()) {
      if (read_big_u64(cursor.key(), 0) == state_.copying) continue;
      const auto body = open_record(db_name(Db::doc_chunks), cursor.key(), cursor.value());
      ids.push_back(decode_u64(body));
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Reader::ChunkBatch Reader::next_chunks(ChunkId after, bool pass_over) const {
  ChunkBatch batch;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::chunks);
  Cursor used(txn_, Db::usage);
  bool has_usage = used.seek(key_u64(after + 1));
  size_t count = 0;
  for (bool more = cursor.seek(key_u64(after + 1)); more && count < kChunksAtOnce;
       more = cursor.next(), ++count) {
    const ChunkId id = read_big_u64(cursor.key(), 0);
    batch.last = id;
    try {
      const auto body = open_record(db_name(Db::chunks), cursor.key(), cursor.value());
      ChunkInfo info = decode_chunk(id, body);
      if (state_.copying != 0 && info.document == state_.copying) continue;
      while (has_usage && used.key() < cursor.key()) has_usage = used.next();
      if (has_usage && used.key() == cursor.key()) {
        add_usage(info, decode_usage(open_record(db_name(Db::usage), used.key(), used.value())));
      }
      batch.chunks.push_back(info);
    } catch (const Error& error) {
      if (!pass_over || error.kind() != ErrorKind::corrupt) throw;
      batch.damaged.emplace_back(id, error.what());
    }
  }
  return batch;
}

void Reader::for_each_chunk(ChunkId after, const std::function<void(const ChunkInfo&)>& fn,
                            const OnDamage& damaged) const {
  for (;;) {
    const ChunkBatch batch = next_chunks(after, damaged != nullptr);
    for (const ChunkInfo& info : batch.chunks) fn(info);
    for (const auto& [id, what] : batch.damaged) damaged(id, what);
    if (batch.last == 0) return;
    after = batch.last;
  }
}

std::vector<ChunkId> Reader::next_vectors(ChunkId after, std::vector<float>& values) const {
  const auto dim = static_cast<size_t>(fingerprint_.embedder_dim);
  const size_t limit = values.size() / dim;
  std::vector<ChunkId> ids;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::vectors);
  for (bool more = cursor.seek(key_u64(after + 1)); more && ids.size() < limit;
       more = cursor.next()) {
    const auto body = open_record(db_name(Db::vectors), cursor.key(), cursor.value());
    decode_vector(body, std::span(values).subspan(ids.size() * dim, dim));
    ids.push_back(read_big_u64(cursor.key(), 0));
  }
  return ids;
}

void Reader::for_each_vector(ChunkId after,
                             const std::function<void(ChunkId, std::span<const float>)>& fn) const {
  const auto dim = static_cast<size_t>(fingerprint_.embedder_dim);
  std::vector<float> values(std::max(kVectorFloatsAtOnce / dim, size_t{1}) * dim);
  std::set<ChunkId> copied;
  if (state_.copying != 0) {
    for (const ListedChunk& chunk : listed_chunks(state_.copying)) copied.insert(chunk.id);
  }
  for (;;) {
    const std::vector<ChunkId> ids = next_vectors(after, values);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (copied.contains(ids[i])) continue;
      fn(ids[i], std::span(values).subspan(i * dim, dim));
    }
    if (ids.empty()) return;
    after = ids.back();
  }
}

/// Needs the gate, for as long as what it gives is in use.
std::optional<Reader::StoredKv> Reader::find_kv(const KvPlace& place) const {
  StoredKv found{.key = key_u64(place.id), .sealed = {}, .tail = {}};
  const auto header = txn_.find(Db::chunks, found.key);
  if (!header) return std::nullopt;
  prefetch(*header);
  const auto value = txn_.find(Db::kv, found.key);
  if (value) prefetch(*value);
  txn_.check_inside(*header);
  const auto body = open_record(db_name(Db::chunks), found.key, *header);
  const int64_t tokens = decode_chunk(place.id, body).tokens;
  check_kv_views(fingerprint_, tokens, place.k, place.v);
  found.tail = chunk_kv_tail(body);
  const size_t bytes = kv_bytes(fingerprint_, tokens);
  if (!value || value->size() + found.tail.size() != bytes + kCrcBytes) {
    fail(ErrorKind::corrupt, "record " + printable_key(found.key) + " of database kv " +
                                 (value ? "has a wrong length" : "is missing"));
  }
  found.sealed = *value;
  return found;
}

void Reader::copy_kv(const StoredKv& stored, const KvPlace& place) const {
  txn_.check_inside(stored.sealed);
  decode_kv(open_record(db_name(Db::kv), stored.key, stored.sealed), stored.tail,
            fingerprint_.kv_dtype, place.k, place.v);
}

bool Reader::read_kv(ChunkId id, const TensorView& k, const TensorView& v) const {
  const KvPlace place{.id = id, .k = k, .v = v};
  const GatePass pass(txn_.env().gate());
  const auto stored = find_kv(place);
  if (stored) copy_kv(*stored, place);
  return stored.has_value();
}

std::vector<bool> Reader::read_kv(std::span<const KvPlace> places, const Context& context) const {
  if (places.empty()) return {};
  const GatePass pass(txn_.env().gate());
  std::vector<std::optional<StoredKv>> stored(places.size());
  // The lowest damaged one is reported, whichever thread saw one first.
  std::vector<std::exception_ptr> errors(places.size());
  const auto guarded = [&](int64_t i, const auto& step) {
    const auto at = static_cast<size_t>(i);
    try {
      step(at);
    } catch (...) {
      errors[at] = std::current_exception();
    }
  };
  const double bytes = 2.0 * static_cast<double>(places.front().k.bytes());
  // LMDB looks up on one thread; checking and copying need no LMDB.
  parallel_pipeline(
      context, static_cast<int64_t>(places.size()), kNanosecondsPerByte * bytes,
      [&](int64_t i) { guarded(i, [&](size_t at) { stored[at] = find_kv(places[at]); }); },
      [&](int64_t i) {
        guarded(i, [&](size_t at) {
          if (stored[at]) copy_kv(*stored[at], places[at]);
        });
      });
  std::vector<bool> there;
  for (size_t i = 0; i < places.size(); ++i) {
    if (errors[i]) std::rethrow_exception(errors[i]);
    there.push_back(stored[i].has_value());
  }
  return there;
}

}  // namespace memlong::membank
