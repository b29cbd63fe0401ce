// Which chunks a segment reads, of those that were found: the best, some of them with the chunks
// beside them. A fact often lies across a border of chunks, and only one half is like the question.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace memlong::retriever {

/// At most `top_k` chunks. `found`: candidates, best first. The `neighbours` best of them, those
/// that a better one brought along not counted, are each followed by the chunks right before and
/// behind, `beside(chunk)` (a list; what may not be read is not in it). No chunk comes twice
/// (`same(a, b)`).
template <class Chunk, class Same, class Beside>
std::vector<Chunk> with_neighbours(std::span<const Chunk> found, int64_t top_k, int64_t neighbours,
                                   const Same& same, const Beside& beside) {
  std::vector<Chunk> chosen;
  const auto take = [&](const Chunk& chunk) {
    if (static_cast<int64_t>(chosen.size()) == top_k) return false;
    if (std::ranges::any_of(chosen, [&](const Chunk& c) { return same(c, chunk); })) return false;
    chosen.push_back(chunk);
    return true;
  };
  for (const Chunk& chunk : found) {
    if (!take(chunk) || neighbours == 0) continue;
    --neighbours;
    for (const Chunk& other : beside(chunk)) take(other);
  }
  return chosen;
}

}  // namespace memlong::retriever
