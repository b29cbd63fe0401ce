#include "membank/lmdb_env.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <lmdb.h>

#include "common/error.h"
#include "common/file.h"
#include "membank/file_locks.h"
#include "membank/pages.h"

namespace memlong::membank {
namespace {

constexpr unsigned kMaxReaders = 510;
constexpr int kFileMode = 0664;

/// LMDB keeps locks and reader slots by process: a second environment on the same file would
/// drop those of the first when it closes. So the files that are open here are remembered, with
/// the process, because a forked child starts anew.
struct OpenFiles {
  std::mutex mutex;
  std::map<std::pair<uint64_t, uint64_t>, pid_t> files;
};
OpenFiles& open_files() {
  static OpenFiles files;
  return files;
}

/// LMDB stops the process when it finds a page that cannot be; an error is kinder.
void on_damaged_page(MDB_env* env, const char* message) {
  const char* path = nullptr;
  mdb_env_get_path(env, &path);
  fail(ErrorKind::corrupt,
       std::string("bank ") + (path != nullptr ? path : "") + " has a damaged page: " + message);
}

size_t round_up_map(size_t bytes) {
  constexpr size_t kStep = size_t{1} << 20;
  return (bytes + kStep - 1) / kStep * kStep;
}

}  // namespace

Env::Env(std::filesystem::path folder, bool write)
    : folder_(std::move(folder)), file_(folder_ / "data.mdb"), write_(write) {}

std::shared_ptr<Env> Env::open(const std::filesystem::path& folder, bool write, size_t map_bytes) {
  const std::shared_ptr<Env> env(new Env(folder, write));
  const FolderLock lock(folder);
  env->register_file();
  env->open_environment(map_bytes);
  env->register_file();
  env->open_databases();
  return env;
}

Env::~Env() {
  if (env_ != nullptr) mdb_env_close(env_);
  if (!registered_) return;
  const std::scoped_lock lock(open_files().mutex);
  open_files().files.erase(identity_);
}

void Env::register_file() {
  struct stat info {};
  if (registered_ || ::stat(file_.c_str(), &info) != 0) return;
  identity_ = {info.st_dev, info.st_ino};
  const std::scoped_lock lock(open_files().mutex);
  const auto [entry, added] = open_files().files.emplace(identity_, ::getpid());
  if (!added && entry->second == ::getpid()) {
    fail(ErrorKind::busy, "bank " + folder_.string() + " is open in this process already");
  }
  entry->second = ::getpid();
  registered_ = true;
}

int Env::try_open(size_t map_bytes, unsigned flags) {
  if (env_ != nullptr) mdb_env_close(env_);
  env_ = nullptr;
  int code = mdb_env_create(&env_);
  if (code == 0) code = mdb_env_set_mapsize(env_, round_up_map(map_bytes));
  if (code == 0) code = mdb_env_set_maxdbs(env_, kDbCount + 3);
  if (code == 0) code = mdb_env_set_maxreaders(env_, kMaxReaders);
  if (code == 0) code = mdb_env_set_assert(env_, on_damaged_page);
  if (code == 0) code = mdb_env_open(env_, folder_.c_str(), flags, kFileMode);
  return code;
}

void Env::open_environment(size_t map_bytes) {
  struct stat info {};
  const bool there = ::stat(file_.c_str(), &info) == 0;
  const size_t needed = std::max(map_bytes, there ? static_cast<size_t>(info.st_size) : 0);
  const unsigned flags = MDB_NOTLS | (write_ ? 0U : MDB_RDONLY);
  int code = try_open(needed, flags);
  const bool read_only_folder = code == EACCES || code == EROFS || code == EPERM;
  if (read_only_folder && !write_) code = try_open(needed, flags | MDB_NOLOCK);
  if (code == 0 && lock_file_is_stale()) {
    if (::unlink((folder_ / "lock.mdb").c_str()) != 0) {
      fail_errno("cannot replace the stale", (folder_ / "lock.mdb").string());
    }
    code = try_open(needed, flags);
  }
  if (code != 0) fail_lmdb(code, "open", file_);
  int dead = 0;
  mdb_reader_check(env_, &dead);
  check_length();
}

/// Pages behind the end of a file that was cut short would end the process when they are read.
/// A file may rightly be shorter than LMDB counts: pages that were taken and given back within one
/// commit are never written. So a short file is walked.
void Env::check_length() {
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(env_, &info);
  mdb_env_stat(env_, &stat);
  page_size_ = stat.ms_psize;
  const auto size = std::filesystem::file_size(file_);
  if (size / stat.ms_psize > info.me_last_pgno) return;
  MDB_txn* txn = begin(false);
  const size_t transaction = mdb_txn_id(txn);
  std::string damage;
  {
    const MappedFile mapped(file_);
    damage = first_damage(mapped.bytes(), transaction);
  }
  mdb_txn_abort(txn);
  if (damage.empty()) return;
  fail(ErrorKind::corrupt,
       file_.string() + " was cut short or damaged (" + damage + "); restore it from a copy");
}

/// The lock file belongs to a data file that compact() has replaced, if it speaks of transactions
/// that this one has not seen. A process that died between the two steps leaves that behind.
bool Env::lock_file_is_stale() {
  MDB_txn* txn = begin(false);
  const size_t locked = mdb_txn_id(txn);
  mdb_txn_abort(txn);
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return locked > info.me_last_txnid;
}

void Env::open_databases() {
  MDB_txn* txn = begin(write_);
  int code = 0;
  size_t opened = 0;
  for (; opened < kDbCount; ++opened) {
    const char* name = db_name(static_cast<Db>(opened));
    code = mdb_dbi_open(txn, name, write_ ? MDB_CREATE : 0U, &databases_[opened]);
    if (code != 0) break;
  }
  if (code != 0) mdb_txn_abort(txn);
  if (code == MDB_NOTFOUND && opened == 0) {
    fail(ErrorKind::usage, "there is no bank in " + folder_.string());
  }
  if (code == 0) code = mdb_txn_commit(txn);
  if (code != 0) fail_lmdb(code, "open", file_);
}

MDB_txn* Env::begin(bool write) {
  MDB_txn* txn = nullptr;
  bool readers_checked = false;
  for (;;) {
    int code = 0;
    {
      const GatePass pass(gate_);
      code = mdb_txn_begin(env_, nullptr, write ? 0U : MDB_RDONLY, &txn);
    }
    if (code == 0) return txn;
    if (code == MDB_MAP_RESIZED) {
      adopt_map();
    } else if (code == MDB_READERS_FULL && !readers_checked) {
      int dead = 0;
      mdb_reader_check(env_, &dead);
      readers_checked = true;
    } else {
      fail_lmdb(code, "read", file_);
    }
  }
}

size_t Env::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return info.me_mapsize;
}

void Env::adopt_map() {
  const GateClosed closed(gate_);
  const int code = mdb_env_set_mapsize(env_, 0);
  if (code != 0) fail_lmdb(code, "map", file_);
}

void Env::grow() {
  const size_t size = map_bytes() * 2;
  const GateClosed closed(gate_);
  // set_mapsize gives the old map up before it asks for the new one: ask first.
  void* probe =
      ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (probe == MAP_FAILED) {
    fail(ErrorKind::capacity, "bank " + folder_.string() + " needs " + std::to_string(size >> 20) +
                                  " MiB of address space; raise the limit (ulimit -v)");
  }
  ::munmap(probe, size);
  const int code = mdb_env_set_mapsize(env_, size);
  if (code != 0) fail_lmdb(code, "map", file_);
}

void Env::copy_compact(const std::filesystem::path& target) {
  const int fd = ::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (fd < 0) fail_errno("cannot create", target.string());
  int code = 0;
  {
    const GatePass pass(gate_);
    code = mdb_env_copyfd2(env_, fd, MDB_CP_COMPACT);
  }
  if (code == 0 && ::fsync(fd) != 0) code = errno;
  ::close(fd);
  if (code == 0) return;
  ::unlink(target.c_str());
  fail_lmdb(code, "write", target);
}

}  // namespace memlong::membank
