// Attention as its definition says, in double precision, and the operands of a test.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/attention.h"
#include "ops/reference.h"

namespace memlong::ops::reference {

struct AttentionCase {
  Tensor q, k, v, out, lse;
  std::vector<Tensor> owned;
  std::vector<MemorySegment> segments;
  int64_t offset;
  float scale;

  AttentionCase(int64_t heads, int64_t groups, int64_t head_dim, int64_t tokens, int64_t first,
                DType dtype, uint32_t seed, int64_t keys = 0)
      : q(random_tensor({tokens, heads, head_dim}, dtype, seed)),
        k(random_tensor({groups, std::max(keys, first + tokens), head_dim}, dtype, seed + 1)),
        v(random_tensor({groups, std::max(keys, first + tokens), head_dim}, dtype, seed + 2)),
        out({tokens, heads, head_dim}, dtype),
        lse({tokens, heads}, DType::f32),
        offset(first),
        scale(1.0F / std::sqrt(static_cast<float>(head_dim))) {}

  /// One segment for each length; together they cover all rows but the last.
  void add_memory(const std::vector<int64_t>& lengths) {
    const int64_t rows = q.dim(0);
    const auto count = static_cast<int64_t>(lengths.size());
    for (int64_t i = 0; i < count; ++i) {
      const Shape shape = {k.dim(0), lengths[static_cast<size_t>(i)], k.dim(2)};
      const auto seed = static_cast<uint32_t>(100 + 2 * i);
      owned.push_back(random_tensor(shape, q.dtype(), seed));
      owned.push_back(random_tensor(shape, q.dtype(), seed + 1));
      const int64_t covered = rows > 1 ? rows - 1 : rows;
      segments.push_back({i * covered / count, (i + 1) * covered / count,
                          owned[owned.size() - 2].view(), owned.back().view()});
    }
  }

  [[nodiscard]] AttentionArgs args() const { return {q, k, v, offset, scale, segments, out, lse}; }
};

struct AttentionResult {
  std::vector<double> out;  ///< [T, H, D]
  std::vector<double> lse;  ///< [T, H]
};

/// Rows [0, count) of head g of keys [G, S, D], appended to `rows`.
inline void append_rows(const TensorView& keys, int64_t g, int64_t count,
                        std::vector<std::vector<double>>& rows) {
  const int64_t dim = keys.dim(2);
  const std::vector<double> flat = values(keys.slice(0, g, g + 1).slice(1, 0, count));
  for (int64_t i = 0; i < count; ++i) {
    rows.emplace_back(flat.begin() + i * dim, flat.begin() + (i + 1) * dim);
  }
}

inline double dot(const double* a, const std::vector<double>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline AttentionResult attention(const AttentionArgs& args) {
  const int64_t tokens = args.q.dim(0);
  const int64_t heads = args.q.dim(1);
  const int64_t dim = args.q.dim(2);
  const std::vector<double> q = values(args.q);
  AttentionResult result{std::vector<double>(q.size()),
                         std::vector<double>(static_cast<size_t>(tokens * heads))};
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t g = h / (heads / args.k.dim(0));
    std::vector<std::vector<double>> k_local;
    std::vector<std::vector<double>> v_local;
    append_rows(args.k, g, args.offset + tokens, k_local);
    append_rows(args.v, g, args.offset + tokens, v_local);
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<std::vector<double>> k;
      std::vector<std::vector<double>> v;
      for (const MemorySegment& segment : args.memory) {
        if (t < segment.begin || t >= segment.end || segment.k.empty()) continue;
        append_rows(segment.k, g, segment.k.dim(1), k);
        append_rows(segment.v, g, segment.v.dim(1), v);
      }
      const int64_t local = std::max<int64_t>(0, args.offset + t + 1);
      k.insert(k.end(), k_local.begin(), k_local.begin() + local);
      v.insert(v.end(), v_local.begin(), v_local.begin() + local);
      std::vector<double> scores;
      for (const auto& key : k) scores.push_back(args.scale * dot(&q[(t * heads + h) * dim], key));
      const double largest = *std::max_element(scores.begin(), scores.end());
      double sum = 0.0;
      for (double& score : scores) sum += score = std::exp(score - largest);
      for (size_t i = 0; i < v.size(); ++i) {
        for (int64_t d = 0; d < dim; ++d) {
          result.out[(t * heads + h) * dim + d] += scores[i] / sum * v[i][d];
        }
      }
      result.lse[t * heads + h] = largest + std::log(sum);
    }
  }
  return result;
}

inline std::vector<double> memory_mass(const TensorView& q, const TensorView& k_mem,
                                       const TensorView& lse, double scale) {
  const int64_t heads = q.dim(1);
  const int64_t dim = q.dim(2);
  const std::vector<double> queries = values(q);
  const std::vector<double> sums = values(lse);
  std::vector<double> mass(static_cast<size_t>(k_mem.dim(1)));
  for (int64_t g = 0; g < k_mem.dim(0); ++g) {
    std::vector<std::vector<double>> keys;
    append_rows(k_mem, g, k_mem.dim(1), keys);
    for (int64_t row = 0; row < q.dim(0) * heads; ++row) {
      if (row % heads / (heads / k_mem.dim(0)) != g) continue;
      for (size_t i = 0; i < keys.size(); ++i) {
        mass[i] += std::exp(scale * dot(&queries[row * dim], keys[i]) - sums[row]);
      }
    }
  }
  return mass;
}

}  // namespace memlong::ops::reference
