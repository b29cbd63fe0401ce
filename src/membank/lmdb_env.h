// LMDB, wrapped: environment, transactions, cursors. Nothing outside these two files and
// lmdb_txn.cpp knows the library.
//
// Growing the map moves it. Who reads holds the environment's gate for as long as pointers into
// the map are in use; open read transactions survive a move, because they hold page numbers only.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/file.h"
#include "membank/file_locks.h"
#include "membank/gate.h"
#include "membank/name_spaces.h"

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace memlong::membank {

enum class Db : uint8_t {
  meta,
  docs,
  doc_names,
  doc_hashes,
  chunks,
  kv,
  vectors,
  usage,
  doc_chunks,
  texts,
  turns,
  blobs,
  namespaces,
};
inline constexpr size_t kDbCount = 13;
const char* db_name(Db db);

/// Thrown when the map is full: grow it and run again.
struct MapFull {};

/// Throws Error{io, capacity, corrupt, mismatch} for an LMDB or system error code, or MapFull.
[[noreturn]] void fail_lmdb(int code, const std::string& what, const std::filesystem::path& path);

class Txn;

/// Below the bank's folder: where its data file is made. What is left of it is of no use.
inline constexpr const char* kMakingFolder = "data.mdb.making";

/// An open environment. Thread-safe. A folder can be open once in a process (Error{busy}).
class Env {
 public:
  /// mode write creates the file and its databases. Errors: io, corrupt, busy, usage (no bank).
  static std::shared_ptr<Env> open(const std::filesystem::path& folder, bool write,
                                   size_t map_bytes);
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;
  ~Env();

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] Gate& gate() { return gate_; }
  [[nodiscard]] NameSpaceNames& name_spaces() { return name_spaces_; }
  /// The bytes of the file that is open here, which another one may have replaced by now.
  [[nodiscard]] MappedFile map_file() const;
  [[nodiscard]] size_t map_bytes() const;
  /// Doubles the map. Only while no write transaction is open. Errors: capacity.
  void grow();
  /// Takes dead processes out of the table of readers: what they saw need not be kept.
  void drop_dead_readers();
  /// A copy without free pages and without old bytes in unused room, synced. Errors: io, capacity,
  /// corrupt.
  void copy_compact(const std::filesystem::path& target);
  /// Whether another file stands where this one was opened (a compaction). Errors: io (none does).
  [[nodiscard]] bool replaced() const;

 private:
  friend class Txn;
  friend class Cursor;
  Env(std::filesystem::path folder, bool write);
  void make_file(const FolderLock& lock, size_t map_bytes);
  void open_environment(size_t map_bytes);
  int try_open(size_t map_bytes, unsigned flags);
  bool can_register() const;
  void reserve_lock_file() const;
  bool lock_file_is_stale();
  void check_trees();
  void register_file();
  void open_databases();
  void adopt_map();
  void require_address_space(size_t bytes) const;
  MDB_txn* begin(bool write);

  std::filesystem::path folder_;
  std::filesystem::path file_;
  bool write_ = false;
  bool registered_ = false;
  std::pair<uint64_t, uint64_t> identity_;
  size_t page_size_ = 4096;
  std::unique_ptr<NoWriters> no_writers_;  ///< of a reader that LMDB's lock file does not know
  MDB_env* env_ = nullptr;
  std::array<unsigned, kDbCount> databases_{};
  Gate gate_;
  NameSpaceNames name_spaces_;  ///< of the file that is open here
};

/// A transaction. Values are views into the map or into dirty pages: valid until the next change
/// or the end, and, when reading, only inside the gate. Not thread-safe.
class Txn {
 public:
  Txn(std::shared_ptr<Env> env, bool write);
  Txn(const Txn&) = delete;
  Txn& operator=(const Txn&) = delete;
  ~Txn();  ///< aborts what was not committed

  [[nodiscard]] Env& env() const { return *env_; }
  [[nodiscard]] uint64_t id() const;
  [[nodiscard]] std::optional<std::string_view> get(Db db, std::string_view key) const;
  /// As get, but does not look at the record: check_inside before it is read.
  [[nodiscard]] std::optional<std::string_view> find(Db db, std::string_view key) const;
  /// A damaged length must not lead beyond the file. Thread-safe. Errors: corrupt.
  void check_inside(std::string_view bytes) const;
  [[nodiscard]] size_t entries(Db db) const;
  [[nodiscard]] uint64_t pages_in_use() const;
  /// Sets a record. A key behind all others is appended, which fills pages to the brim.
  void put(Db db, std::string_view key, std::string_view value);
  /// Room for a value that the caller fills before the next call.
  char* reserve(Db db, std::string_view key, size_t size);
  bool erase(Db db, std::string_view key);
  void commit();
  /// True once a change did not fit into the map.
  [[nodiscard]] bool map_full() const { return map_full_; }

 private:
  friend class Cursor;
  void check(int code, const char* what) const;
  unsigned handle(Db db) const { return env_->databases_[static_cast<size_t>(db)]; }

  std::shared_ptr<Env> env_;
  MDB_txn* txn_ = nullptr;
  bool write_ = false;
  uint64_t last_page_ = 0;  ///< of the file when it was begun
  mutable bool map_full_ = false;
};

/// Walks the records of a database in key order. Lives inside its transaction and, when reading,
/// inside the gate.
class Cursor {
 public:
  Cursor(const Txn& txn, Db db);
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor();

  bool seek(std::string_view key);         ///< the first key >= key
  bool seek_before(std::string_view key);  ///< the last key < key
  bool first();
  bool last();
  bool next();
  bool previous();
  void erase();  ///< the record the cursor stands on; next() then gives the one behind it
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }

 private:
  bool move(int operation, std::string_view key = {});

  const Txn& txn_;
  MDB_cursor* cursor_ = nullptr;
  std::string_view key_;
  std::string_view value_;
};

}  // namespace memlong::membank
