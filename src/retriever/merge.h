// One ranking from several.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retriever/index.h"

namespace memlong::retriever {

/// The best score of each id over several rankings, best first (equal scores by lower id), at most
/// k. Other ways of merging signals (words, attention keys) go beside this one.
std::vector<Hit> merge_best(std::span<const std::vector<Hit>> rankings, int64_t k);

}  // namespace memlong::retriever
