// The gradients of attention as their definition says, in double precision, and the operands of a
// test.
#pragma once

#include <cmath>
#include <vector>

#include "ops/attention_reference.h"

namespace memlong::ops::reference {

/// Gradients like the tensors; memory[i] is that of segment i.
struct AttentionGradients {
  std::vector<double> dq, dk, dv;
  struct Memory {
    std::vector<double> dk, dv;
  };
  std::vector<Memory> memory;
};

namespace detail {

/// Keys and values [G, keys, D] with their gradients.
struct Keys {
  std::vector<double> k, v;
  std::vector<double>* dk;
  std::vector<double>* dv;
  int64_t keys;
};

inline Keys keys_of(const TensorView& k, const TensorView& v, std::vector<double>& dk,
                    std::vector<double>& dv) {
  dk.assign(static_cast<size_t>(k.elements()), 0.0);
  dv = dk;
  if (k.empty()) return {{}, {}, &dk, &dv, 0};
  return {values(k), values(v), &dk, &dv, k.dim(1)};
}

}  // namespace detail

inline AttentionGradients attention_gradients(const AttentionArgs& args, const TensorView& dout) {
  const int64_t heads = args.q.dim(1);
  const int64_t dim = args.q.dim(2);
  const std::vector<double> q = values(args.q);
  const std::vector<double> slope = values(dout);
  AttentionGradients result;
  result.dq.assign(q.size(), 0.0);
  result.memory.resize(args.memory.size());
  std::vector<detail::Keys> parts{detail::keys_of(args.k, args.v, result.dk, result.dv)};
  for (size_t i = 0; i < args.memory.size(); ++i) {
    AttentionGradients::Memory& to = result.memory[i];
    parts.push_back(detail::keys_of(args.memory[i].k, args.memory[i].v, to.dk, to.dv));
  }
  struct Read {
    const detail::Keys* part;
    int64_t at;  // of the key's first element
    double weight, slope;
  };
  for (int64_t row = 0; row < args.q.dim(0) * heads; ++row) {
    const int64_t t = row / heads;
    const int64_t g = row % heads / (heads / args.k.dim(0));
    std::vector<Read> reads;
    const auto read = [&](const detail::Keys& part, int64_t count) {
      for (int64_t i = 0; i < count; ++i) reads.push_back({&part, (g * part.keys + i) * dim, 0, 0});
    };
    read(parts[0], args.offset + t + 1);
    for (size_t s = 0; s < args.memory.size(); ++s) {
      const bool inside = args.memory[s].begin <= t && t < args.memory[s].end;
      if (inside) read(parts[s + 1], parts[s + 1].keys);
    }
    const double* q_row = &q[row * dim];
    const double* slope_row = &slope[row * dim];
    double largest = -INFINITY;
    for (Read& r : reads) {
      for (int64_t d = 0; d < dim; ++d) {
        r.weight += args.scale * q_row[d] * r.part->k[r.at + d];
        r.slope += slope_row[d] * r.part->v[r.at + d];
      }
      largest = std::max(largest, r.weight);
    }
    double total = 0.0;
    for (Read& r : reads) total += r.weight = std::exp(r.weight - largest);
    double mean = 0.0;
    for (Read& r : reads) mean += (r.weight /= total) * r.slope;
    for (const Read& r : reads) {
      const double score = args.scale * r.weight * (r.slope - mean);
      for (int64_t d = 0; d < dim; ++d) {
        result.dq[row * dim + d] += score * r.part->k[r.at + d];
        (*r.part->dk)[r.at + d] += score * q_row[d];
        (*r.part->dv)[r.at + d] += r.weight * slope_row[d];
      }
    }
  }
  return result;
}

/// A forward case with room for its gradients.
struct BackwardCase {
  AttentionCase forward;
  Tensor dout, dq, dk, dv;
  std::vector<Tensor> owned;
  std::vector<MemoryGradient> memory;

  /// forward's segments are complete; `with_memory`: their gradients are wanted, from zero.
  BackwardCase(AttentionCase example, bool with_memory, uint32_t seed)
      : forward(std::move(example)),
        dout(random_tensor(forward.q.shape(), forward.q.dtype(), seed)),
        dq(forward.q.shape(), forward.q.dtype()),
        dk(forward.k.shape(), forward.k.dtype()),
        dv(forward.k.shape(), forward.k.dtype()) {
    if (!with_memory) return;
    for (const MemorySegment& segment : forward.segments) {
      owned.push_back(Tensor::zeros(segment.k.shape(), DType::f32));
      owned.push_back(Tensor::zeros(segment.k.shape(), DType::f32));
      memory.push_back({owned[owned.size() - 2].view(), owned.back().view()});
    }
  }

  [[nodiscard]] AttentionBackwardArgs args() const {
    return {forward.args(), dout, dq, dk, dv, memory};
  }
};

}  // namespace memlong::ops::reference
