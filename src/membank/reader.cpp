#include "membank/reader.h"

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
  stats.used_bytes = static_cast<int64_t>(txn_.pages_in_use()) * ::sysconf(_SC_PAGESIZE);
  struct stat info {};
  if (::stat(txn_.env().file().c_str(), &info) == 0) stats.bytes = info.st_size;
  return stats;
}

Document Reader::named(Document document) const {
  for (const auto& [name, id] : name_spaces()) {
    if (id == document.name_space_id) document.name_space = name;
  }
  return document;
}

std::vector<Document> Reader::documents() const {
  std::vector<Document> all;
  {
    const GatePass pass(txn_.env().gate());
    Cursor cursor(txn_, Db::docs);
    for (bool more = cursor.first(); more; more = cursor.next()) {
      const auto body = open_record(db_name(Db::docs), cursor.key(), cursor.value());
      all.push_back(decode_document(read_big_u64(cursor.key(), 0), body));
    }
  }
  for (Document& document : all) document = named(std::move(document));
  return all;
}

std::optional<Document> Reader::document(DocumentId id) const {
  const auto body = record(Db::docs, key_u64(id));
  if (!body) return std::nullopt;
  return named(decode_document(id, *body));
}

const std::map<std::string, uint32_t>& Reader::name_spaces() const {
  if (name_spaces_) return *name_spaces_;
  std::map<std::string, uint32_t> all;
  const GatePass pass(txn_.env().gate());
  Cursor cursor(txn_, Db::namespaces);
  for (bool more = cursor.first(); more; more = cursor.next()) {
    const auto body = open_record(db_name(Db::namespaces), cursor.key(), cursor.value());
    all.emplace(cursor.key(), decode_u32(body));
  }
  return name_spaces_.emplace(std::move(all));
}

std::optional<Document> Reader::find_text(const std::string& name_space,
                                          const Digest& content_hash) const {
  const auto entry = name_spaces().find(name_space);
  if (entry == name_spaces().end()) return std::nullopt;
  const std::string prefix = key_hash(entry->second, content_hash);
  std::vector<DocumentId> ids;
  {
    const GatePass pass(txn_.env().gate());
    Cursor cursor(txn_, Db::doc_hashes);
    for (bool more = cursor.seek(prefix); more && cursor.key().starts_with(prefix);
         more = cursor.next()) {
      open_record(db_name(Db::doc_hashes), cursor.key(), cursor.value());
      ids.push_back(read_big_u64(cursor.key(), prefix.size()));
    }
  }
  std::optional<Document> found;
  for (const DocumentId id : ids) {
    auto candidate = document(id);
    if (candidate && (!found || candidate->complete)) found = std::move(candidate);
  }
  return found;
}

std::optional<Document> Reader::find_name(const std::string& name_space, const std::string& name,
                                          DocumentKind kind) const {
  const auto entry = name_spaces().find(name_space);
  if (entry == name_spaces().end()) return std::nullopt;
  const std::string prefix = key_name(entry->second, kind, name);
  std::vector<DocumentId> ids;  // the newest first
  {
    const GatePass pass(txn_.env().gate());
    Cursor cursor(txn_, Db::doc_names);
    for (bool more = cursor.seek_before(prefix + std::string(9, '\xFF'));
         more && cursor.key().starts_with(prefix); more = cursor.previous()) {
      open_record(db_name(Db::doc_names), cursor.key(), cursor.value());
      ids.push_back(read_big_u64(cursor.key(), prefix.size()));
    }
  }
  for (const DocumentId id : ids) {
    auto candidate = document(id);
    if (candidate && candidate->name == name) return candidate;
  }
  return std::nullopt;
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
