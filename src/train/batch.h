// What one forward and backward pass reads.
//
// Two kinds of memory. Stage 1: `pasts` are encoded by the very weights that are trained, and what
// a segment reads of them carries gradient. Stage 2: chunks that were encoded before, constant.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::train {

/// Tokens [begin, end) of one of the batch's pasts, or a constant chunk.
struct MemoryPart {
  int64_t past = -1;  ///< index into Batch::pasts; -1: k and v are given
  int64_t begin = 0;
  int64_t end = 0;
  Tensor k;  ///< [G, n, D], any float dtype, not rotated; where the network computes or on the host
  Tensor v;
};

/// Rows [begin, end) of a sequence read these, oldest first.
struct SegmentPlan {
  int64_t begin = 0;
  int64_t end = 0;
  std::vector<MemoryPart> parts;
};

/// Rows of an answer, for counting exact ones: the targets of rows [begin, end) are the answer.
struct AnswerRows {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Tokens that only make memory: they go through the writer and no further.
struct Past {
  std::vector<int32_t> ids;
  int64_t position = 0;  ///< window position of ids[0]
};

struct Sequence {
  std::vector<int32_t> ids;           ///< [T]
  std::vector<int32_t> targets;       ///< [T]: the id that follows row t; -1: no loss
  std::vector<float> weights;         ///< [T]: loss weight
  int64_t position = 0;               ///< window position of ids[0]
  std::vector<SegmentPlan> segments;  ///< sorted, disjoint
  std::vector<AnswerRows> answers;
};

struct Batch {
  std::vector<Past> pasts;
  std::vector<Sequence> sequences;

  [[nodiscard]] int64_t tokens() const;  ///< of pasts and sequences
};

/// Sums over a batch (or several, with +=).
struct LossSums {
  double loss = 0.0;        ///< nats, weighted
  double weight = 0.0;      ///< sum of the weights
  double plain_loss = 0.0;  ///< nats, every target counting one
  int64_t targets = 0;
  int64_t answers = 0;                   ///< AnswerRows
  int64_t exact_answers = 0;             ///< every target of the answer was the likeliest id
  std::vector<std::vector<bool>> exact;  ///< by sequence, by answer

  LossSums& operator+=(const LossSums& other);
};

}  // namespace memlong::train
