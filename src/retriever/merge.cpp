#include "retriever/merge.h"

#include <algorithm>

#include "retriever/row_scan.h"

namespace memlong::retriever {

std::vector<Hit> merge_best(std::span<const std::vector<Hit>> rankings, int64_t k) {
  std::vector<Hit> merged;
  for (const std::vector<Hit>& ranking : rankings) {
    merged.insert(merged.end(), ranking.begin(), ranking.end());
  }
  std::ranges::sort(merged, [](const Hit& a, const Hit& b) {
    return a.id < b.id || (a.id == b.id && a.score > b.score);
  });
  const auto same_id = [](const Hit& a, const Hit& b) { return a.id == b.id; };
  merged.erase(std::unique(merged.begin(), merged.end(), same_id), merged.end());
  sort_hits(merged, k);
  return merged;
}

}  // namespace memlong::retriever
