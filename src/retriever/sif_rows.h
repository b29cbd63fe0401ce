// What a token adds to a mean of the `sif` embedder: a row of the embedding table, weighted. Rows
// are weighted when they are read, so that no second table is held. Internal to the retriever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace memlong::retriever {

/// Row t: a / (a + probability[t]) * table[t] / |table[t]|, rounded to f32 (zero for a row of
/// zeros). The table must outlive it. Immutable, thread-safe.
class SifRows {
 public:
  /// table [V, C] f32, bf16, f16, in main memory, any alignment; probability [V].
  SifRows(const TensorView& table, std::span<const float> probability, float a);

  [[nodiscard]] int64_t width() const { return table_.dim(1); }
  /// out [C] = the mean of the rows `ids` (not empty; each inside the table).
  void mean(std::span<const int32_t> ids, std::span<double> out) const;
  /// out [C] f32.
  void read(int32_t id, std::span<float> out) const;

 private:
  TensorView table_;
  std::vector<float> probability_;
  double a_;
};

/// Whether `id` is a row of `table`; else Error{internal}.
void check_token(int32_t id, const TensorView& table);

}  // namespace memlong::retriever
