#include <cstring>
#include <utility>

#include <lmdb.h>

#include "common/error.h"
#include "membank/lmdb_env.h"

namespace memlong::membank {
namespace {

constexpr size_t kPageHeader = 16;

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }

std::string_view to_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

}  // namespace

Txn::Txn(std::shared_ptr<Env> env, bool write)
    : env_(std::move(env)), txn_(env_->begin(write)), write_(write) {
  MDB_envinfo info{};
  mdb_env_info(env_->env_, &info);
  last_page_ = info.me_last_pgno;
}

Txn::~Txn() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

void Txn::check(int code, const char* what) const {
  if (code == 0) return;
  if (code == MDB_MAP_FULL) map_full_ = true;
  fail_lmdb(code, what, env_->file_);
}

uint64_t Txn::id() const { return mdb_txn_id(txn_); }

std::optional<std::string_view> Txn::get(Db db, std::string_view key) const {
  const auto value = find(db, key);
  if (value) check_inside(*value);
  return value;
}

std::optional<std::string_view> Txn::find(Db db, std::string_view key) const {
  MDB_val k = to_val(key);
  MDB_val v{};
  const int code = mdb_get(txn_, handle(db), &k, &v);
  if (code == MDB_NOTFOUND) return std::nullopt;
  check(code, "read");
  return to_view(v);
}

/// What LMDB hands out lies within one page, or at the start of a run of pages, right behind the
/// run's header.
void Txn::check_inside(std::string_view bytes) const {
  if (write_) return;  // pages in memory, checked when they were first read
  const size_t page_size = env_->page_size_;
  const size_t offset = reinterpret_cast<uintptr_t>(bytes.data()) % page_size;
  bool inside = bytes.size() <= page_size - offset;
  if (!inside && offset == kPageHeader) {
    uint64_t first = 0;
    std::memcpy(&first, bytes.data() - kPageHeader, sizeof(first));
    const uint64_t pages = (kPageHeader + bytes.size() + page_size - 1) / page_size;
    inside = first <= last_page_ && pages <= last_page_ + 1 - first;
  }
  if (!inside) {
    fail(ErrorKind::corrupt, env_->file_.string() +
                                 " has a record of impossible length; memlong-bank verify says "
                                 "where");
  }
}

size_t Txn::entries(Db db) const {
  MDB_stat stat{};
  check(mdb_stat(txn_, handle(db), &stat), "read");
  return stat.ms_entries;
}

uint64_t Txn::pages_in_use() const {
  constexpr unsigned kFreeList = 0;
  constexpr unsigned kMain = 1;
  constexpr uint64_t kMetaPages = 2;
  uint64_t pages = kMetaPages;
  const auto add = [&](unsigned database) {
    MDB_stat stat{};
    check(mdb_stat(txn_, database, &stat), "read");
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  };
  add(kFreeList);
  add(kMain);
  for (const unsigned database : env_->databases_) add(database);
  return pages;
}

void Txn::put(Db db, std::string_view key, std::string_view value) {
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  int code = mdb_put(txn_, handle(db), &k, &v, MDB_APPEND);
  if (code == MDB_KEYEXIST) code = mdb_put(txn_, handle(db), &k, &v, 0);
  check(code, "write");
}

char* Txn::reserve(Db db, std::string_view key, size_t size) {
  MDB_val k = to_val(key);
  MDB_val v{size, nullptr};
  check(mdb_put(txn_, handle(db), &k, &v, MDB_APPEND | MDB_RESERVE), "write");
  return static_cast<char*>(v.mv_data);
}

bool Txn::erase(Db db, std::string_view key) {
  MDB_val k = to_val(key);
  const int code = mdb_del(txn_, handle(db), &k, nullptr);
  if (code == MDB_NOTFOUND) return false;
  check(code, "write");
  return true;
}

void Txn::commit() {
  MDB_txn* txn = std::exchange(txn_, nullptr);
  check(mdb_txn_commit(txn), "write");
}

Cursor::Cursor(const Txn& txn, Db db) : txn_(txn) {
  txn_.check(mdb_cursor_open(txn.txn_, txn.handle(db), &cursor_), "read");
}

Cursor::~Cursor() {
  if (cursor_ != nullptr) mdb_cursor_close(cursor_);
}

bool Cursor::move(int operation, std::string_view key) {
  MDB_val k = to_val(key);
  MDB_val v{};
  const int code = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(operation));
  if (code == MDB_NOTFOUND) return false;
  txn_.check(code, "read");
  key_ = to_view(k);
  value_ = to_view(v);
  txn_.check_inside(key_);
  txn_.check_inside(value_);
  return true;
}

bool Cursor::seek(std::string_view key) { return move(MDB_SET_RANGE, key); }
bool Cursor::seek_before(std::string_view key) { return seek(key) ? previous() : last(); }
bool Cursor::first() { return move(MDB_FIRST); }
bool Cursor::last() { return move(MDB_LAST); }
bool Cursor::next() { return move(MDB_NEXT); }
bool Cursor::previous() { return move(MDB_PREV); }
void Cursor::erase() { txn_.check(mdb_cursor_del(cursor_, 0), "write"); }

}  // namespace memlong::membank
