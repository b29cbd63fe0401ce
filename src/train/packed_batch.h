// A batch as rows without padding, and the memory that its segments read. Used within this folder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backbone/saved.h"
#include "backbone/train_block.h"
#include "model/config.h"
#include "tensor/context.h"
#include "train/batch.h"

namespace memlong::train {

/// Rows of the sequences, then rows of the pasts.
struct PackedBatch {
  std::vector<int32_t> ids;
  std::vector<backbone::PackedSequence> parts;  ///< sequences, then pasts
  size_t sequences = 0;                         ///< so many of parts are sequences
  int64_t rows = 0;                             ///< of sequences
  int64_t all_rows = 0;

  [[nodiscard]] std::span<const int32_t> ids_of(size_t part) const;
};

/// Errors: internal, for a batch that does not fit together or the window.
PackedBatch pack_batch(const Batch& batch, int64_t window);

/// Gathers what segments read, and brings its gradient back. Not thread-safe.
class BatchMemory {
 public:
  /// raw_kv [all rows, 2*G*D]: keys before rope and values of layer m. Sets `memory` (and, where
  /// `gradients`, `gradients`, zero) of the packed sequences. Sets that are equal are gathered
  /// once.
  void gather(Context& context, const Batch& batch, const model::ModelConfig& config,
              const TensorView& raw_kv, bool gradients, PackedBatch& packed);

  /// After gather() with gradients of the same batch: writes rows of pasts of dkv [all rows,
  /// 2*G*D], the sum of what all segments gave.
  void scatter(Context& context, const Batch& batch, const PackedBatch& packed,
               const model::ModelConfig& config, const TensorView& dkv);

 private:
  backbone::GrowingBuffer sets_;
  backbone::GrowingBuffer gradients_;
  backbone::GrowingBuffer past_gradient_;
  TensorView gradient_;  ///< of all sets that read pasts, one after the other; empty: none wanted
};

}  // namespace memlong::train
