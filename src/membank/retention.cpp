#include "membank/retention.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/error.h"
#include "common/log.h"

namespace memlong::membank {
namespace {

constexpr std::array<std::pair<std::string_view, RetentionPolicy>, 4> kNames = {
    {{"none", RetentionPolicy::none},
     {"memlong", RetentionPolicy::memlong},
     {"fifo", RetentionPolicy::fifo},
     {"lru", RetentionPolicy::lru}}};

int64_t last_use(const ChunkInfo& chunk) {
  return chunk.last_hit != 0 ? chunk.last_hit : chunk.created;
}

/// All chunks in the order in which they would go.
std::vector<ChunkInfo> removal_order(RetentionPolicy policy, std::span<const ChunkInfo> chunks) {
  std::vector<ChunkInfo> order(chunks.begin(), chunks.end());
  std::ranges::sort(order, [](const ChunkInfo& a, const ChunkInfo& b) {
    return std::pair(a.created, a.id) < std::pair(b.created, b.id);
  });
  const auto tenth = static_cast<std::ptrdiff_t>(order.size() / 10);
  switch (policy) {
    case RetentionPolicy::none:
      order.clear();
      break;
    case RetentionPolicy::fifo:
      break;
    case RetentionPolicy::lru:
      std::stable_sort(order.begin(), order.end(), [](const ChunkInfo& a, const ChunkInfo& b) {
        return last_use(a) < last_use(b);
      });
      break;
    case RetentionPolicy::memlong:
      std::stable_sort(order.begin() + tenth, order.end() - tenth,
                       [](const ChunkInfo& a, const ChunkInfo& b) { return a.hits < b.hits; });
      break;
  }
  return order;
}

/// What a chunk costs: stored K and V, vector (half precision) and tokens.
int64_t chunk_bytes(const Fingerprint& f, int64_t tokens) {
  const auto element = static_cast<int64_t>(dtype_size(f.kv_dtype));
  return 2 * f.kv_heads * tokens * f.head_dim * element + 2 * f.embedder_dim + 4 * tokens;
}

/// What all chunks together cost: chunk_bytes() summed, by what the bank has counted.
int64_t stored_bytes(const Fingerprint& f, const BankStats& stats) {
  return chunk_bytes(f, 0) * stats.chunks + (chunk_bytes(f, 1) - chunk_bytes(f, 0)) * stats.tokens;
}

/// Without reading a chunk.
bool passed(const RetentionBudget& budget, const Bank& bank) {
  if (budget.policy == RetentionPolicy::none || (budget.chunks <= 0 && budget.bytes <= 0)) {
    return false;
  }
  const BankStats stats = bank.snapshot()->stats();
  return (budget.chunks > 0 && stats.chunks > budget.chunks) ||
         (budget.bytes > 0 && stored_bytes(bank.fingerprint(), stats) > budget.bytes);
}

std::vector<ChunkInfo> all_chunks(const Bank& bank) {
  std::vector<ChunkInfo> chunks;
  bank.snapshot()->for_each_chunk(
      0, [&](const ChunkInfo& info) { chunks.push_back(info); },
      [](ChunkId id, const std::string& what) {
        log::warn("retention leaves chunk " + std::to_string(id) + " where it is: " + what);
      });
  return chunks;
}

/// What has to go so that every budget that is passed is met by half.
std::vector<ChunkId> plan_budget(const RetentionBudget& budget, const Fingerprint& fingerprint,
                                 std::span<const ChunkInfo> chunks) {
  auto count = static_cast<int64_t>(chunks.size());
  int64_t bytes = 0;
  for (const ChunkInfo& chunk : chunks) bytes += chunk_bytes(fingerprint, chunk.tokens);
  const bool by_count = budget.chunks > 0 && count > budget.chunks;
  const bool by_bytes = budget.bytes > 0 && bytes > budget.bytes;
  std::vector<ChunkId> going;
  if (!by_count && !by_bytes) return going;
  for (const ChunkInfo& chunk : removal_order(budget.policy, chunks)) {
    const bool done =
        (!by_count || count <= budget.chunks / 2) && (!by_bytes || bytes <= budget.bytes / 2);
    if (done) break;
    going.push_back(chunk.id);
    --count;
    bytes -= chunk_bytes(fingerprint, chunk.tokens);
  }
  return going;
}

}  // namespace

RetentionPolicy parse_retention(std::string_view name) {
  for (const auto& [text, policy] : kNames) {
    if (text == name) return policy;
  }
  fail(ErrorKind::usage,
       "unknown retention policy '" + std::string(name) + "' (none, memlong, fifo, lru)");
}

std::string_view retention_name(RetentionPolicy policy) {
  return kNames[static_cast<size_t>(policy)].first;
}

std::vector<ChunkId> plan_retention(RetentionPolicy policy, std::span<const ChunkInfo> chunks,
                                    int64_t target) {
  const int64_t surplus = static_cast<int64_t>(chunks.size()) - std::max<int64_t>(target, 0);
  std::vector<ChunkId> going;
  for (const ChunkInfo& chunk : removal_order(policy, chunks)) {
    if (static_cast<int64_t>(going.size()) >= surplus) break;
    going.push_back(chunk.id);
  }
  return going;
}

Removed apply_retention(Bank& bank, const RetentionBudget& budget, bool dry_run) {
  if (!passed(budget, bank)) return {};
  if (bank.writable()) bank.flush_hits();
  const std::vector<ChunkInfo> chunks = all_chunks(bank);
  const std::vector<ChunkId> going = plan_budget(budget, bank.fingerprint(), chunks);
  if (!dry_run) return bank.remove_chunks(going);
  std::vector<ChunkId> sorted = going;
  std::sort(sorted.begin(), sorted.end());
  Removed total;
  for (const ChunkInfo& chunk : chunks) {
    if (!std::binary_search(sorted.begin(), sorted.end(), chunk.id)) continue;
    ++total.chunks;
    total.tokens += chunk.tokens;
  }
  return total;
}

}  // namespace memlong::membank
