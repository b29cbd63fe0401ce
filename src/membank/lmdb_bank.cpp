#include "membank/lmdb_bank.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "membank/file_check.h"
#include "membank/manifest.h"
#include "membank/verify.h"

namespace memlong::membank {
namespace {

/// Bounds the pages that one commit gives back, which LMDB lists in memory and in one record.
constexpr size_t kRemovedAtOnce = 4096;
/// A reader that was killed keeps the pages that it saw until somebody looks.
constexpr int kCommitsUnchecked = 64;
constexpr int64_t kMicrosUnchecked = 10'000'000;

}  // namespace

std::unique_ptr<Bank> Bank::open(const std::filesystem::path& folder, const BankOptions& options) {
  return std::make_unique<LmdbBank>(folder, options);
}

bool Bank::exists(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path file = folder / "data.mdb";
  (void)std::filesystem::file_size(file, error);
  if (error == std::errc::permission_denied) return true;  // opening it says so
  if (error) return false;
  try {
    return !never_became_a_bank(file);
  } catch (const Error&) {
    return true;  // opening it says what is wrong
  }
}

LmdbBank::LmdbBank(std::filesystem::path folder, const BankOptions& options)
    : folder_(std::move(folder)),
      writable_(options.mode == OpenMode::write),
      map_bytes_(options.initial_map_bytes) {
  const bool there = exists(folder_);
  if (!there && !(writable_ && options.fingerprint)) {
    fail(ErrorKind::usage, "there is no bank in " + folder_.string());
  }
  if (writable_) {
    if (options.fingerprint) check_fingerprint(*options.fingerprint);
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) fail(ErrorKind::io, "cannot create " + folder_.string() + ": " + error.message());
    writer_lock_ = std::make_unique<WriterLock>(folder_);
    std::filesystem::remove(folder_ / "data.mdb.new", error);  // of a compaction that was killed
    std::filesystem::remove_all(folder_ / kMakingFolder, error);
  }
  env_ = Env::open(folder_, writable_, map_bytes_);
  run_growing([&] { load_manifest(options); });
  if (writable_) finish_removal();
}

LmdbBank::~LmdbBank() {
  try {
    if (writable_) flush_hits();
  } catch (const std::exception& error) {
    log::warn("use counts since the last write are lost: " + std::string(error.what()));
  } catch (...) {
    log::warn("use counts since the last write are lost");
  }
}

void LmdbBank::create_manifest(const Fingerprint& fingerprint) {
  Txn txn(env_, true);
  manifest_ = encode_manifest(fingerprint);
  txn.put(Db::meta, "manifest", seal("manifest", manifest_));
  txn.put(Db::meta, "state", seal("state", encode_state(State{})));
  txn.commit();
}

std::string LmdbBank::read_manifest(const std::shared_ptr<Env>& env) const {
  const Txn txn(env, false);
  const GatePass pass(env->gate());
  const auto value = txn.get(Db::meta, "manifest");
  return value ? std::string(open_record(db_name(Db::meta), "manifest", *value)) : "";
}

std::string LmdbBank::identity() const { return to_hex(sha256(manifest_)); }

void LmdbBank::load_manifest(const BankOptions& options) {
  manifest_ = read_manifest(env_);
  if (manifest_.empty()) {
    if (!writable_ || !options.fingerprint) {
      fail(ErrorKind::usage, "there is no bank in " + folder_.string());
    }
    create_manifest(*options.fingerprint);
    fingerprint_ = *options.fingerprint;
    return;
  }
  fingerprint_ = decode_manifest(manifest_, folder_.string());
  if (options.fingerprint) {
    require_same(fingerprint_, *options.fingerprint, folder_.string(), "this model");
  }
  if (!writable_) return;
  TransactionImpl unfinished(env_, fingerprint_);
  if (unfinished.unfinished_copy() == 0) return;
  unfinished.forget(unfinished.unfinished_copy());
  unfinished.commit();
}

std::shared_ptr<Env> LmdbBank::env() const {
  const std::scoped_lock lock(env_mutex_);
  if (env_ == nullptr) env_ = Env::open(folder_, writable_, map_bytes_);  // compact() could not
  if (writable_ || !env_->replaced()) return env_;
  std::shared_ptr<Env> opened = Env::open(folder_, false, map_bytes_);
  if (read_manifest(opened) != manifest_) {
    fail(ErrorKind::mismatch,
         "bank " + folder_.string() + " was replaced by another one; open it anew");
  }
  env_.swap(opened);
  return env_;
}

std::unique_ptr<Snapshot> LmdbBank::snapshot() const {
  return std::make_unique<Reading<Snapshot>>(env(), false, fingerprint_);
}

void LmdbBank::require_writable() const {
  if (!writable_) fail(ErrorKind::usage, "bank " + folder_.string() + " is open for reading only");
}

void LmdbBank::require_no_update() const {
  MEMLONG_CHECK(updating_.load() != std::this_thread::get_id(), "an update inside an update");
}

void LmdbBank::run_growing(const std::function<void()>& attempt) {
  for (;;) {
    try {
      return attempt();
    } catch (const MapFull&) {
    }
    env()->grow();
  }
}

void LmdbBank::update(const std::function<void(Transaction&)>& fn) {
  require_writable();
  require_no_update();
  const std::scoped_lock lock(update_mutex_);
  struct Marked {
    explicit Marked(std::atomic<std::thread::id>& who) : who_(who) {
      who_ = std::this_thread::get_id();
    }
    Marked(const Marked&) = delete;
    Marked& operator=(const Marked&) = delete;
    ~Marked() { who_ = std::thread::id(); }
    std::atomic<std::thread::id>& who_;
  } const marked(updating_);
  run_growing([&] { update_once(fn); });
}

void LmdbBank::drop_dead_readers(Env& env) {
  const int64_t now = now_micros();
  if (++unchecked_commits_ < kCommitsUnchecked && now - readers_checked_ < kMicrosUnchecked) return;
  env.drop_dead_readers();
  unchecked_commits_ = 0;
  readers_checked_ = now;
}

void LmdbBank::update_once(const std::function<void(Transaction&)>& fn) {
  const std::shared_ptr<Env> env = this->env();
  drop_dead_readers(*env);
  TransactionImpl transaction(env, fingerprint_);
  try {
    fn(transaction);
  } catch (...) {
    if (transaction.map_full()) throw MapFull{};
    throw;
  }
  if (transaction.map_full()) throw MapFull{};
  Hits hits;
  {
    const std::scoped_lock lock(hits_mutex_);
    hits.swap(hits_);
  }
  try {
    transaction.add_hits(hits);
    transaction.commit();
  } catch (...) {
    give_back(hits);
    throw;
  }
}

void LmdbBank::give_back(const Hits& hits) {
  const std::scoped_lock lock(hits_mutex_);
  for (const auto& [id, usage] : hits) {
    Usage& pending = hits_[id];
    pending.hits += usage.hits;
    pending.last_hit = std::max(pending.last_hit, usage.last_hit);
  }
}

Removed LmdbBank::remove_chunks(std::span<const ChunkId> ids) {
  require_no_update();
  const std::scoped_lock lock(removal_mutex_);  // there is one list of what is still to go
  Removed total;
  for (size_t at = 0; at < ids.size(); at += kRemovedAtOnce) {
    const auto batch = ids.subspan(at, std::min(kRemovedAtOnce, ids.size() - at));
    const bool first = at == 0;
    const bool last = at + batch.size() == ids.size();
    Removed removed;
    update([&](Transaction& transaction) {
      auto& own = static_cast<TransactionImpl&>(transaction);
      if (first && !last) own.set_removing(ids);
      removed = own.remove_chunks(batch);
      if (last) own.set_removing({});
    });
    total.chunks += removed.chunks;
    total.tokens += removed.tokens;
  }
  return total;
}

/// A removal that a crash broke off.
void LmdbBank::finish_removal() {
  std::vector<ChunkId> ids;
  run_growing([&] { ids = TransactionImpl(env_, fingerprint_).removing(); });
  (void)remove_chunks(ids);
}

void LmdbBank::count_hits(std::span<const ChunkId> ids) {
  if (!writable_) return;
  const int64_t now = now_micros();
  const std::scoped_lock lock(hits_mutex_);
  for (const ChunkId id : ids) {
    Usage& pending = hits_[id];
    ++pending.hits;
    pending.last_hit = now;
  }
}

void LmdbBank::flush_hits() {
  if (!writable_) return;
  {
    const std::scoped_lock lock(hits_mutex_);
    if (hits_.empty()) return;
  }
  update([](Transaction&) {});
}

std::vector<BadRecord> LmdbBank::verify(
    const std::function<void(int64_t done, int64_t total)>& progress) const {
  return verify_bank(env(), fingerprint_, progress);
}

bool LmdbBank::discard_if_empty() {
  require_writable();
  const std::scoped_lock lock(update_mutex_);
  if (snapshot()->stats().documents > 0) return false;
  // The writer's lock is held to the end: whoever opens the folder next finds no bank.
  const FolderLock folder_lock(folder_);
  for (const char* name : {"data.mdb", "lock.mdb", "writer.lock"}) folder_lock.remove(name);
  return true;
}

void LmdbBank::compact() {
  require_writable();
  flush_hits();
  const std::scoped_lock lock(update_mutex_);
  const std::filesystem::path fresh = folder_ / "data.mdb.new";
  env()->copy_compact(fresh);
  std::shared_ptr<Env> opened;
  const auto take_over = [&] {
    const std::scoped_lock env_lock(env_mutex_);
    env_.swap(opened);
  };
  {
    // Snapshots that are still open, here or elsewhere, keep the old pair of files.
    const FolderLock folder_lock(folder_);
    folder_lock.replace("data.mdb.new", "data.mdb");
    try {
      folder_lock.remove("lock.mdb");
    } catch (...) {
      take_over();  // nothing may be written into the file that is gone
      throw;
    }
  }
  try {
    opened = Env::open(folder_, true, map_bytes_);
  } catch (...) {
    take_over();
    throw;
  }
  take_over();
}

}  // namespace memlong::membank
