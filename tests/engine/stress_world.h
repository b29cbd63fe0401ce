// What the threads of the stress test share: a model, a bank, and a record of what must be in it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/stress_texts.h"
#include "membank/bank.h"

namespace memlong::engine::stress {

/// A dialog that nobody holds any more, as its session left it.
struct Talk {
  std::string name;
  membank::DocumentId id = 0;
  std::vector<membank::Turn> turns;
  std::vector<int32_t> tokens;
  bool whole = true;  ///< it was never resumed after chunks of it had been pruned
};

/// What was done. The last two say how much came into the bank and left it.
struct Counts {
  std::atomic<int64_t> ingests, texts, stopped_ingests, answers, resumed, searches, snapshots,
      verifications, forgotten, prunes, compactions;
  std::atomic<int64_t> chunks_added, chunks_removed;
};

/// Which texts are in the bank. Who works on a text has it alone; the rest of them is for others.
/// Thread-safe.
class Ledger {
 public:
  explicit Ledger(size_t texts) : complete_(texts, false) {}
  /// A text that nobody works on, if there is one among those of `wanted`.
  std::optional<size_t> take(const std::function<bool(size_t text, bool complete)>& wanted,
                             uint64_t draw);
  /// Gives it back. `complete`: all of it is in the bank.
  void give_back(size_t text, bool complete);
  [[nodiscard]] bool complete(size_t text) const;

  void talk_ended(Talk talk);
  std::optional<Talk> take_talk(uint64_t draw);
  [[nodiscard]] std::vector<Talk> talks() const;

 private:
  mutable std::mutex mutex_;
  std::vector<bool> complete_;
  std::set<size_t> taken_;
  std::vector<Talk> talks_;
};

class World {
 public:
  explicit World(int texts);

  /// True when the threads are to end: time is up, or something was wrong.
  [[nodiscard]] bool over() const;
  /// Fails the test, unless `problem` is empty.
  void require(const std::string& problem);
  std::unique_ptr<Memory> new_memory(retriever::IndexKind kind) const;

  Context setup;  ///< of the main thread alone
  const std::shared_ptr<const LoadedModel> model;
  const std::shared_ptr<const retriever::Embedder> embedder;
  const test::TempFolder folder;
  const KnownTexts texts;
  std::shared_ptr<membank::Bank> bank;
  Ledger ledger;
  Counts done{};
  std::chrono::steady_clock::time_point end;

 private:
  std::atomic<bool> failed_{false};
};

/// "" or what is wrong with one chunk of this snapshot: tokens, vector, K and V are those of its
/// document.
std::string check_chunk(const World& world, const membank::Snapshot& snapshot,
                        const membank::ChunkInfo& info);
/// The same for all that a snapshot holds, and for the numbers in it.
std::string check_all(const World& world, const membank::Snapshot& snapshot);

}  // namespace memlong::engine::stress
