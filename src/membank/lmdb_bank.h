// The bank over LMDB. Private to this folder; Bank::open makes one.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "membank/bank.h"
#include "membank/file_locks.h"
#include "membank/lmdb_env.h"
#include "membank/transaction.h"

namespace memlong::membank {

class LmdbBank final : public Bank {
 public:
  LmdbBank(std::filesystem::path folder, const BankOptions& options);
  LmdbBank(const LmdbBank&) = delete;
  LmdbBank& operator=(const LmdbBank&) = delete;
  ~LmdbBank() override;

  const std::filesystem::path& folder() const override { return folder_; }
  const Fingerprint& fingerprint() const override { return fingerprint_; }
  bool writable() const override { return writable_; }
  std::string identity() const override;
  std::unique_ptr<Snapshot> snapshot() const override;
  void update(const std::function<void(Transaction&)>& fn) override;
  Removed remove_chunks(std::span<const ChunkId> ids) override;
  void count_hits(std::span<const ChunkId> ids) override;
  void flush_hits() override;
  std::vector<BadRecord> verify(
      const std::function<void(int64_t done, int64_t total)>& progress) const override;
  bool discard_if_empty() override;
  void compact() override;

 private:
  void load_manifest(const BankOptions& options);
  void finish_removal();
  void create_manifest(const Fingerprint& fingerprint);
  std::shared_ptr<Env> env() const;
  std::string read_manifest(const std::shared_ptr<Env>& env) const;
  void run_growing(const std::function<void()>& attempt);
  void update_once(const std::function<void(Transaction&)>& fn);
  void drop_dead_readers(Env& env);
  void give_back(const Hits& hits);
  void require_writable() const;
  void require_no_update() const;

  std::filesystem::path folder_;
  bool writable_ = false;
  size_t map_bytes_ = 0;
  std::unique_ptr<WriterLock> writer_lock_;
  Fingerprint fingerprint_;
  std::string manifest_;
  mutable std::mutex env_mutex_;
  mutable std::shared_ptr<Env> env_;  ///< a reader's follows compactions; null: to be opened
  std::mutex removal_mutex_;          ///< taken before update_mutex_
  std::mutex update_mutex_;
  int unchecked_commits_ = 0;  ///< since dead readers were looked for; with update_mutex_
  int64_t readers_checked_ = 0;
  std::atomic<std::thread::id> updating_;
  std::mutex hits_mutex_;
  Hits hits_;
};

}  // namespace memlong::membank
