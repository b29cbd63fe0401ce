#include "membank/reader.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

namespace memlong::membank {

Reader::Reader(std::shared_ptr<Env> env, bool write, const Fingerprint& fingerprint)
    : txn_(std::move(env), write), fingerprint_(fingerprint) {
  const auto body = record(Db::meta, "state");
  if (!body)
    fail(ErrorKind::corrupt, "bank " + txn_.env().file().string() + " has no state record");
  state_ = decode_state(*body);
  committed_name_spaces_ = state_.last_name_space;
}

std::optional<std::string> Reader::record(Db db, std::string_view key) const {
  const GatePass pass(txn_.env().gate());
  const auto value = txn_.get(db, key);
  if (!value) return std::nullopt;
  return std::string(open_record(db_name(db), key, *value));
}

BankStats Reader::stats() const {
  const GatePass pass(txn_.env().gate());
  BankStats stats;
  stats.documents = state_.documents;
  stats.chunks = state_.chunks;
  stats.tokens = state_.tokens;
  stats.generation = state_.generation;
  if (state_.copying != 0) {
    const auto copied = stored_document(state_.copying);
    const int64_t end = copied ? copied->tokens : 0;
    stats.documents -= copied ? 1 : 0;
    for (const ListedChunk& chunk : listed_chunks(state_.copying)) {
      --stats.chunks;
      stats.tokens -= std::min<int64_t>(fingerprint_.chunk_tokens, end - chunk.begin);
    }
  }
  stats.used_bytes = static_cast<int64_t>(txn_.pages_in_use()) * ::sysconf(_SC_PAGESIZE);
  struct stat info {};
  if (::stat(txn_.env().file().c_str(), &info) == 0) stats.bytes = info.st_size;
  return stats;
}

Document Reader::named(Document document) const {
  document.name_space = name_space_name(document.name_space_id);
  return document;
}

std::vector<Document> Reader::documents(const OnDamage& damaged) const {
  std::vector<Document> all;
  std::vector<std::pair<DocumentId, std::string>> bad;
  {
    const GatePass pass(txn_.env().gate());
    Cursor cursor(txn_, Db::docs);
    for (bool more = cursor.first(); more; more = cursor.next()) {
      const DocumentId id = read_big_u64(cursor.key(), 0);
      if (id == state_.copying) continue;
      try {
        const auto body = open_record(db_name(Db::docs), cursor.key(), cursor.value());
        all.push_back(decode_document(id, body));
      } catch (const Error& error) {
        if (!damaged) throw;
        bad.emplace_back(id, error.what());
      }
    }
  }
  for (Document& document : all) document = named(std::move(document));
  for (const auto& [id, what] : bad) damaged(id, what);
  return all;
}

/// The last part of all keys with this prefix.
std::vector<DocumentId> Reader::ids_behind(Db db, const std::string& prefix) const {
  std::vector<DocumentId> ids;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, db);
  for (bool more = cursor.seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.next()) {
    open_record(db_name(db), cursor.key(), cursor.value());
    if (cursor.key().size() < prefix.size() + sizeof(DocumentId)) continue;
    ids.push_back(read_big_u64(cursor.key(), cursor.key().size() - sizeof(DocumentId)));
  }
  return ids;
}

std::vector<DocumentId> Reader::documents_of(const std::string& name_space,
                                             DocumentKind kind) const {
  const auto space = name_space_id(name_space);
  return space ? ids_behind(Db::doc_names, key_names(*space, kind)) : std::vector<DocumentId>();
}

std::vector<DocumentId> Reader::documents_of(const std::string& name_space, DocumentKind kind,
                                             const std::string& name) const {
  std::vector<DocumentId> ids;
  const auto space = name_space_id(name_space);
  if (!space) return ids;
  for (const DocumentId id : ids_behind(Db::doc_names, key_name(*space, kind, name))) {
    const auto candidate = document(id);
    if (candidate && candidate->name == name) ids.push_back(id);
  }
  return ids;
}

std::optional<Document> Reader::stored_document(DocumentId id) const {
  const auto body = record(Db::docs, key_u64(id));
  if (!body) return std::nullopt;
  return named(decode_document(id, *body));
}

std::optional<Document> Reader::document(DocumentId id) const {
  return id == state_.copying ? std::nullopt : stored_document(id);
}

std::map<std::string, uint32_t> Reader::name_spaces() const {
  std::map<std::string, uint32_t> all;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::namespaces);
  for (bool more = cursor.first(); more; more = cursor.next()) {
    const auto body = open_record(db_name(Db::namespaces), cursor.key(), cursor.value());
    all.emplace(cursor.key(), decode_u32(body));
  }
  return all;
}

std::optional<uint32_t> Reader::name_space_id(const std::string& name) const {
  if (name.empty() || name.size() > kMaxNameSpaceBytes) return std::nullopt;
  const auto body = record(Db::namespaces, name);
  if (!body) return std::nullopt;
  return decode_u32(*body);
}

void Reader::learn_name_spaces() const {
  std::map<uint32_t, std::string> committed;
  for (const auto& [name, id] : name_spaces()) {
    (id <= committed_name_spaces_ ? committed : own_name_spaces_)[id] = name;
  }
  txn_.env().name_spaces().add(committed);
}

std::string Reader::name_space_name(uint32_t id) const {
  const auto find = [&]() -> std::optional<std::string> {
    if (id <= committed_name_spaces_) return txn_.env().name_spaces().find(id);
    const auto own = own_name_spaces_.find(id);
    return own == own_name_spaces_.end() ? std::nullopt : std::optional(own->second);
  };
  auto name = find();
  if (!name) {
    learn_name_spaces();
    name = find();
  }
  return name.value_or("");
}

std::optional<Document> Reader::find_text(const std::string& name_space,
                                          const Digest& content_hash) const {
  const auto space = name_space_id(name_space);
  if (!space) return std::nullopt;
  const std::vector<DocumentId> ids = ids_behind(Db::doc_hashes, key_hash(*space, content_hash));
  std::optional<Document> found;
  for (const DocumentId id : ids) {
    auto candidate = document(id);
    if (candidate && (!found || candidate->complete)) found = std::move(candidate);
  }
  return found;
}

std::optional<Document> Reader::find_name(const std::string& name_space, const std::string& name,
                                          DocumentKind kind) const {
  const std::vector<DocumentId> ids = documents_of(name_space, kind, name);
  return ids.empty() ? std::nullopt : document(ids.back());
}

void Reader::for_each_part(Db db, DocumentId id,
                           const std::function<void(std::string_view)>& fn) const {
  const std::string prefix = key_u64(id);
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, db);
  for (bool more = cursor.seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.next()) {
    fn(open_record(db_name(db), cursor.key(), cursor.value()));
  }
}

std::vector<Turn> Reader::turns(DocumentId id) const {
  std::vector<Turn> turns;
  for_each_part(Db::turns, id, [&](std::string_view body) { turns.push_back(decode_turn(body)); });
  return turns;
}

std::string Reader::text(DocumentId id) const {
  std::string text;
  for_each_part(Db::texts, id, [&](std::string_view body) { text.append(body); });
  for_each_part(Db::turns, id, [&](std::string_view body) {
    const Turn turn = decode_turn(body);
    text += turn.role + ": " + turn.content + "\n";
  });
  return text;
}

std::string Reader::blob(const std::string& key) const {
  return key.empty() ? std::string() : record(Db::blobs, key).value_or("");
}

std::vector<std::string> Reader::blob_keys() const {
  std::vector<std::string> keys;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::blobs);
  for (bool more = cursor.first(); more; more = cursor.next()) keys.emplace_back(cursor.key());
  return keys;
}

}  // namespace memlong::membank
