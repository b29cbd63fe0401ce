#include "membank/transaction.h"

#include <algorithm>

#include "common/clock.h"
#include "common/error.h"

namespace memlong::membank {
namespace {

constexpr size_t kMaxKeyBytes = kMaxNameSpaceBytes;
constexpr size_t kMaxRecordBytes = size_t{1} << 30;

void check_key_text(const char* what, const std::string& text) {
  if (text.empty() || text.size() > kMaxKeyBytes) {
    fail(ErrorKind::usage, std::string("a ") + what + " has 1 to " + std::to_string(kMaxKeyBytes) +
                               " bytes, not " + std::to_string(text.size()));
  }
}

}  // namespace

void TransactionImpl::put(Db db, std::string_view key, std::string body) {
  if (body.size() > kMaxRecordBytes) {
    fail(ErrorKind::capacity, std::string("a record of database ") + db_name(db) + " has " +
                                  std::to_string(body.size()) + " bytes; 1 GiB is the most");
  }
  txn().put(db, key, seal(key, std::move(body)));
}

Document TransactionImpl::load(DocumentId id) const {
  auto document = reader_.stored_document(id);
  if (!document) fail(ErrorKind::usage, "the bank has no document " + std::to_string(id));
  return std::move(*document);
}

void TransactionImpl::store(Document& document) {
  document.updated = now_micros();
  put(Db::docs, key_u64(document.id), encode_document(document));
}

uint32_t TransactionImpl::name_space_id(const std::string& name) {
  check_key_text("namespace", name);
  if (const auto known = reader_.name_space_id(name)) return *known;
  const uint32_t id = ++state().last_name_space;
  put(Db::namespaces, name, encode_u32(id));
  reader_.add_own_name_space(id, name);
  return id;
}

DocumentId TransactionImpl::insert_document(Document document) {
  document.id = ++state().last_document;
  document.name_space_id = name_space_id(document.name_space);
  if (document.created == 0) document.created = now_micros();
  if (document.updated == 0) document.updated = document.created;
  put(Db::docs, key_u64(document.id), encode_document(document));
  ++state().documents;
  return document.id;
}

void TransactionImpl::insert_names(const Document& document) {
  const std::string id = key_u64(document.id);
  put(Db::doc_names, key_name(document.name_space_id, document.kind, document.name) + id, {});
  if (document.content_hash == Digest{}) return;
  put(Db::doc_hashes, key_hash(document.name_space_id, document.content_hash) + id, {});
}

DocumentId TransactionImpl::create_document(const NewDocument& document) {
  Document record;
  record.name = document.name;
  record.name_space = document.name_space;
  record.kind = document.kind;
  record.content_hash = document.kind == DocumentKind::text ? document.content_hash : Digest{};
  record.created = document.created;
  record.settings = document.settings;
  const DocumentId id = insert_document(record);
  insert_names(load(id));
  return id;
}

void TransactionImpl::append_text(DocumentId id, std::string_view text) {
  Document document = load(id);
  document.text_bytes += static_cast<int64_t>(text.size());
  store(document);
  uint32_t block = 0;
  std::string content;
  {
    const std::string end = key_u64_u32(id, UINT32_MAX);
    Cursor cursor(txn(), Db::texts);
    if (cursor.seek_before(end) && cursor.key().starts_with(key_u64(id))) {
      block = read_big_u32(cursor.key(), 8);
      content = open_record(db_name(Db::texts), cursor.key(), cursor.value());
    }
  }
  while (!text.empty()) {
    if (content.size() >= kTextBlockBytes) {
      ++block;
      content.clear();
    }
    const size_t count = std::min(kTextBlockBytes - content.size(), text.size());
    content += text.substr(0, count);
    text.remove_prefix(count);
    put(Db::texts, key_u64_u32(id, block), content);
  }
}

void TransactionImpl::append_turn(DocumentId id, const Turn& turn) {
  Document document = load(id);
  document.text_bytes += static_cast<int64_t>(turn.content.size());
  store(document);
  uint32_t index = 0;
  {
    Cursor cursor(txn(), Db::turns);
    const bool found = cursor.seek_before(key_u64_u32(id, UINT32_MAX));
    if (found && cursor.key().starts_with(key_u64(id))) index = read_big_u32(cursor.key(), 8) + 1;
  }
  put(Db::turns, key_u64_u32(id, index), encode_turn(turn));
}

void TransactionImpl::set_tail(DocumentId id, std::span<const int32_t> ids) {
  Document document = load(id);
  MEMLONG_CHECK(ids.size() < static_cast<size_t>(reader_.fingerprint().chunk_tokens),
                "a tail is shorter than a chunk");
  document.tokens += static_cast<int64_t>(ids.size()) - static_cast<int64_t>(document.tail.size());
  document.tail.assign(ids.begin(), ids.end());
  store(document);
}

void TransactionImpl::set_settings(DocumentId id, const std::string& settings) {
  Document document = load(id);
  document.settings = settings;
  store(document);
}

void TransactionImpl::finish_document(DocumentId id) {
  Document document = load(id);
  MEMLONG_CHECK(document.kind == DocumentKind::text, "only a text is ever complete");
  document.complete = true;
  store(document);
}

DocumentId TransactionImpl::begin_copy(const Document& original) {
  MEMLONG_CHECK(state().copying == 0, "one document is copied at a time");
  Document copy = original;
  copy.complete = false;
  copy.chunks = 0;
  copy.tokens = 0;  // grow with the chunks
  copy.tail.clear();
  copy.text_bytes = 0;
  state().copying = insert_document(std::move(copy));
  return state().copying;
}

void TransactionImpl::finish_copy(DocumentId id, const Document& original) {
  MEMLONG_CHECK(state().copying == id, "a copy that was not begun");
  Document document = load(id);
  document.complete = original.complete;
  document.updated = original.updated;
  document.tokens = original.tokens;
  document.tail = original.tail;
  put(Db::docs, key_u64(id), encode_document(document));
  insert_names(document);
  state().copying = 0;
  // Whoever has followed to a later chunk must look again for these.
  Cursor cursor(txn(), Db::doc_chunks);
  const std::string prefix = key_u64(id);
  if (!cursor.seek(prefix) || !cursor.key().starts_with(prefix)) return;
  const ChunkId first =
      decode_u64(open_record(db_name(Db::doc_chunks), cursor.key(), cursor.value()));
  if (state().last_chunk - first + 1 != static_cast<uint64_t>(document.chunks)) {
    state().removal_generation = state().generation;
  }
}

void TransactionImpl::erase_parts(Db db, DocumentId id) {
  const std::string prefix = key_u64(id);
  Cursor cursor(txn(), db);
  bool more = cursor.seek(prefix);
  while (more && cursor.key().starts_with(prefix)) {
    cursor.erase();
    more = cursor.next();
  }
}

Removed TransactionImpl::forget(DocumentId id) {
  const Document document = load(id);
  std::vector<std::pair<ChunkId, int64_t>> chunks;
  {
    const std::string prefix = key_u64(id);
    Cursor cursor(txn(), Db::doc_chunks);
    for (bool more = cursor.seek(prefix); more && cursor.key().starts_with(prefix);
         more = cursor.next()) {
      const auto body = open_record(db_name(Db::doc_chunks), cursor.key(), cursor.value());
      chunks.emplace_back(decode_u64(body), static_cast<int64_t>(read_big_u64(cursor.key(), 8)));
    }
  }
  Removed removed{.documents = 1, .chunks = static_cast<int64_t>(chunks.size()), .tokens = 0};
  // Where a chunk ends follows from the document, so that a damaged chunk can be forgotten too.
  const int64_t end = document.tokens - static_cast<int64_t>(document.tail.size());
  for (const auto& [chunk, begin] : chunks) {
    const int64_t tokens = std::min<int64_t>(reader_.fingerprint().chunk_tokens, end - begin);
    erase_chunk(chunk, id, begin, tokens);
    removed.tokens += tokens;
  }
  erase_parts(Db::texts, id);
  erase_parts(Db::turns, id);
  const std::string key = key_u64(id);
  txn().erase(Db::doc_names, key_name(document.name_space_id, document.kind, document.name) + key);
  txn().erase(Db::doc_hashes, key_hash(document.name_space_id, document.content_hash) + key);
  txn().erase(Db::docs, key);
  --state().documents;
  if (state().copying == id) state().copying = 0;
  return removed;
}

void TransactionImpl::set_blob(const std::string& key, std::string_view value) {
  check_key_text("blob key", key);
  put(Db::blobs, key, std::string(value));
}

void TransactionImpl::commit() {
  put(Db::meta, "state", encode_state(state()));
  Env& env = txn().env();
  txn().commit();
  env.name_spaces().add(reader_.own_name_spaces());
}

}  // namespace memlong::membank
