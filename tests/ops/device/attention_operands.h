// Calls of attention() for the cases of its forward and of its gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/attention.h"
#include "ops/device/op_run.h"

namespace memlong::ops::device_test {

struct Dimensions {
  int64_t heads, groups, head_dim, tokens, offset;
  std::vector<int64_t> memory = {};  ///< M of each segment; the last row is in none of them
  int64_t unread = 0;                ///< keys past the last row
};

inline std::string name_of(const Dimensions& d, DType dtype) {
  std::string name = std::string(dtype_name(dtype)) + "_H" + std::to_string(d.heads) + "_G" +
                     std::to_string(d.groups) + "_D" + std::to_string(d.head_dim) + "_T" +
                     std::to_string(d.tokens) + "_offset" + std::to_string(d.offset);
  for (const int64_t keys : d.memory) name += "_M" + std::to_string(keys);
  return name;
}

/// The operands of a call, and where its results go.
struct Operands {
  Tensor q, k, v, out, lse;
  std::vector<Tensor> owned;
  std::vector<MemorySegment> segments;
  int64_t offset;
  float scale;

  Operands(OpRun& run, const Dimensions& d, DType dtype, uint32_t seed)
      : q(run.random({d.tokens, d.heads, d.head_dim}, dtype, seed)),
        k(run.random({d.groups, d.offset + d.tokens + d.unread, d.head_dim}, dtype, seed + 1)),
        v(run.random({d.groups, d.offset + d.tokens + d.unread, d.head_dim}, dtype, seed + 2)),
        out(run.empty({d.tokens, d.heads, d.head_dim}, dtype)),
        lse(run.empty({d.tokens, d.heads}, DType::f32)),
        offset(d.offset),
        scale(1.0F / std::sqrt(static_cast<float>(d.head_dim))) {
    const auto count = static_cast<int64_t>(d.memory.size());
    const int64_t covered = std::max<int64_t>(1, d.tokens - 1);
    for (int64_t i = 0; i < count; ++i) {
      const Shape shape = {d.groups, d.memory[static_cast<size_t>(i)], d.head_dim};
      owned.push_back(run.random(shape, dtype, seed + 3 + static_cast<uint32_t>(i)));
      owned.push_back(run.random(shape, dtype, seed + 50 + static_cast<uint32_t>(i)));
      segments.push_back({i * covered / count, (i + 1) * covered / count,
                          owned[owned.size() - 2].view(), owned.back().view()});
    }
  }
  [[nodiscard]] AttentionArgs args() const { return {q, k, v, offset, scale, segments, out, lse}; }
};

}  // namespace memlong::ops::device_test
