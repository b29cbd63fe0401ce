// Which chunks go when a bank passes its budget. Pure functions: numbers in, ids out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "membank/bank.h"

namespace memlong::membank {

enum class RetentionPolicy : uint8_t { none, memlong, fifo, lru };

RetentionPolicy parse_retention(std::string_view name);  ///< Errors: usage
std::string_view retention_name(RetentionPolicy policy);

struct RetentionBudget {
  RetentionPolicy policy = RetentionPolicy::none;
  int64_t chunks = 0;  ///< 0: no limit
  int64_t bytes = 0;   ///< of stored K and V, vectors and tokens; 0: no limit
};

/// The chunks to remove so that `target` are left, in the order in which they go. A chunk's age is
/// the time when it was made, in another bank too, and then its id. none: nothing. fifo: oldest
/// first. lru: least recently retrieved first (never: its
/// creation time counts). memlong (arXiv 2408.16967, section 3.5): the newest 10 % are protected,
/// the oldest 10 % go, of the middle 80 % the least retrieved go first, ties by age; stops exactly
/// at the target.
std::vector<ChunkId> plan_retention(RetentionPolicy policy, std::span<const ChunkInfo> chunks,
                                    int64_t target);

/// Applies the rule: when the budget is passed, brings the bank down to half of it. Returns what
/// went. With `dry_run` nothing is changed. Chunks that cannot be read stay, and a warning names
/// them.
Removed apply_retention(Bank& bank, const RetentionBudget& budget, bool dry_run = false);

}  // namespace memlong::membank
