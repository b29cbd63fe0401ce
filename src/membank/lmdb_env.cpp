#include "membank/lmdb_env.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <lmdb.h>

#include "common/error.h"
#include "common/file.h"
#include "membank/checked_file.h"
#include "membank/file_check.h"
#include "membank/scrub.h"

namespace memlong::membank {
namespace {

constexpr unsigned kMaxReaders = 510;
constexpr off_t kLockFileBytes = 32768;  // what LMDB makes of so many readers
constexpr int kFileMode = 0664;
constexpr int kAttempts = 20;

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
  std::optional<FolderLock> lock(folder);
  env->register_file();
  std::error_code none;
  const bool there = std::filesystem::exists(env->file_, none);
  if (there) check_meta_pages(env->file_);
  try {
    if (write && !there) env->make_file(*lock, map_bytes);
    env->open_environment(map_bytes);
  } catch (...) {
    // A half-made file, for which there was no room, must not stand in the way of the next try.
    if (write && !there) ::unlink(env->file_.c_str());
    throw;
  }
  env->register_file();
  // From here on a compaction leaves this pair of files to who has it open. The walk may take long.
  if (there) lock.reset();
  env->check_trees();
  env->open_databases();
  return env;
}

Env::~Env() {
  // Both at once: a file that is gone leaves its number to the next one, which may be opened by
  // another thread as soon as this one is closed.
  const std::scoped_lock lock(open_files().mutex);
  if (env_ != nullptr) mdb_env_close(env_);
  if (registered_) open_files().files.erase(identity_);
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

/// LMDB makes an empty file and then fills it. It does so in a folder of its own, so that data.mdb
/// is there with its meta pages or not at all, and an empty data.mdb is always a damaged one.
void Env::make_file(const FolderLock& lock, size_t map_bytes) {
  const std::filesystem::path folder = folder_ / kMakingFolder;
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);  // of a process that was killed
  if (::mkdir(folder.c_str(), 0777) != 0) fail_errno("cannot create", folder.string());
  MDB_env* made = nullptr;
  int code = mdb_env_create(&made);
  if (code == 0) code = mdb_env_set_mapsize(made, round_up_map(map_bytes));
  if (code == 0) code = mdb_env_open(made, folder.c_str(), MDB_NOLOCK, kFileMode);
  if (code == 0) code = mdb_env_sync(made, 1);
  if (made != nullptr) mdb_env_close(made);
  if (code == 0) {
    lock.replace((std::string(kMakingFolder) + "/data.mdb").c_str(), "data.mdb");
    std::filesystem::remove(folder, ignored);
    return;
  }
  std::filesystem::remove_all(folder, ignored);
  fail_lmdb(code, "create", file_);
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

/// Whether this process may write its name into LMDB's table of readers.
bool Env::can_register() const {
  const std::filesystem::path lock = folder_ / "lock.mdb";
  if (::faccessat(AT_FDCWD, lock.c_str(), R_OK | W_OK, AT_EACCESS) == 0) return true;
  return errno == ENOENT && ::faccessat(AT_FDCWD, folder_.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

/// LMDB maps a lock file full of holes. On a full disk, filling a hole ends the process.
void Env::reserve_lock_file() const {
  const std::string path = (folder_ / "lock.mdb").string();
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (fd < 0) return;  // LMDB says why
  const bool full =
      ::fallocate(fd, 0, 0, kLockFileBytes) != 0 && (errno == ENOSPC || errno == EDQUOT);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (full) fail_errno("cannot reserve room for", path);
}

void Env::open_environment(size_t map_bytes) {
  struct stat info {};
  const bool there = ::stat(file_.c_str(), &info) == 0;
  const size_t needed = std::max(map_bytes, there ? static_cast<size_t>(info.st_size) : 0);
  unsigned flags = MDB_NOTLS | (write_ ? 0U : MDB_RDONLY);
  if (!write_ && !can_register()) {
    no_writers_ = std::make_unique<NoWriters>(folder_);
    flags |= MDB_NOLOCK;
  } else {
    reserve_lock_file();
  }
  int code = try_open(needed, flags);
  if (code == 0 && lock_file_is_stale()) {
    if (::unlink((folder_ / "lock.mdb").c_str()) != 0) {
      fail_errno("cannot replace the stale", (folder_ / "lock.mdb").string());
    }
    reserve_lock_file();
    code = try_open(needed, flags);
  }
  if (code != 0) fail_lmdb(code, "open", file_);
  drop_dead_readers();
  MDB_stat stat{};
  mdb_env_stat(env_, &stat);
  page_size_ = stat.ms_psize;
}

/// LMDB trusts what it reads. Damage that could lead it out of the file, or to pages that are not
/// what they seem, is found before it looks: all but the pages inside of large values are walked.
/// (A file may rightly be shorter than LMDB counts: pages that were taken and given back within
/// one commit are never written.)
void Env::check_trees() {
  TreeDamage damage;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    damage = {};
    MDB_txn* txn = begin(false);
    int fd = -1;
    mdb_env_get_fd(env_, &fd);
    const FileState state = file_state(fd, mdb_txn_id(txn));
    if (!known_sound(state)) {
      const MappedFile mapped = map_file();
      damage = find_damage(mapped.bytes(), mdb_txn_id(txn), Look::structure);
      if (damage.what.empty() && !damage.gone) remember_sound(state);
    }
    mdb_txn_abort(txn);
    if (!damage.gone) break;
  }
  if (damage.gone) damage.what = "no meta page is right";
  if (damage.what.empty()) return;
  fail(ErrorKind::corrupt,
       file_.string() + " was cut short or damaged (" + damage.what + "); restore it from a copy");
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
      drop_dead_readers();
      readers_checked = true;
    } else {
      fail_lmdb(code, "read", file_);
    }
  }
}

MappedFile Env::map_file() const {
  int fd = -1;
  mdb_env_get_fd(env_, &fd);
  return MappedFile("/proc/self/fd/" + std::to_string(fd));
}

void Env::drop_dead_readers() {
  int dead = 0;
  mdb_reader_check(env_, &dead);
}

size_t Env::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return info.me_mapsize;
}

/// LMDB gives the old map up before it asks for the new one: ask first.
void Env::require_address_space(size_t bytes) const {
  void* probe =
      ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (probe == MAP_FAILED) {
    fail(ErrorKind::capacity, "bank " + folder_.string() + " needs " + std::to_string(bytes >> 20) +
                                  " MiB of address space; raise the limit (ulimit -v)");
  }
  ::munmap(probe, bytes);
}

/// Takes over the size that a writer in another process has given the map.
void Env::adopt_map() {
  require_address_space(map_bytes_of(file_));
  const GateClosed closed(gate_);
  const int code = mdb_env_set_mapsize(env_, 0);
  if (code != 0) fail_lmdb(code, "map", file_);
}

void Env::grow() {
  const size_t size = map_bytes() * 2;
  const GateClosed closed(gate_);
  require_address_space(size);
  const int code = mdb_env_set_mapsize(env_, size);
  if (code != 0) fail_lmdb(code, "map", file_);
}

bool Env::replaced() const {
  struct stat info {};
  if (::stat(file_.c_str(), &info) != 0) fail_errno("the bank is gone:", file_.string());
  return identity_ != std::pair<uint64_t, uint64_t>{info.st_dev, info.st_ino};
}

void Env::copy_compact(const std::filesystem::path& target) {
  {
    MDB_txn* txn = begin(false);  // LMDB copies what it finds, wherever damage leads
    const MappedFile mapped(file_);
    const TreeDamage damage = find_damage(mapped.bytes(), mdb_txn_id(txn), Look::everything);
    mdb_txn_abort(txn);
    if (!damage.what.empty()) {
      fail(ErrorKind::corrupt, file_.string() + " is damaged (" + damage.what +
                                   ") and is not compacted; memlong-bank verify lists all");
    }
  }
  const int fd = ::open(target.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (fd < 0) fail_errno("cannot create", target.string());
  int code = 0;
  {
    const GatePass pass(gate_);
    code = mdb_env_copyfd2(env_, fd, MDB_CP_COMPACT);
  }
  try {
    if (code != 0) fail_lmdb(code, "write", target);
    scrub_unused(fd, target);
    if (::fsync(fd) != 0) fail_errno("cannot sync", target.string());
  } catch (...) {
    ::close(fd);
    ::unlink(target.c_str());
    throw;
  }
  ::close(fd);
}

}  // namespace memlong::membank
