// The `sif` embedder's table: what a token adds to a mean. Internal to the retriever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::retriever {

/// Row t: a / (a + probability[t]) * table[t] / |table[t]| (zero for a row of zeros).
/// table [V, C] f32, bf16, f16, any alignment; probability [V].
Tensor sif_table(Context& context, const TensorView& table, std::span<const float> probability,
                 float a);

/// out [C] = the mean of the table's rows `ids` (not empty; each inside the table).
void mean_of_rows(const TensorView& table, std::span<const int32_t> ids, std::span<double> out);

}  // namespace memlong::retriever
