#include "retriever/sif_table.h"

#include <algorithm>
#include <string>

#include "common/error.h"
#include "ops/copy.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {

Tensor sif_table(Context& context, const TensorView& table, std::span<const float> probability,
                 float a) {
  MEMLONG_CHECK(table.rank() == 2, "the embedding table must be [V, C]");
  MEMLONG_CHECK(static_cast<int64_t>(probability.size()) == table.dim(0),
                "a probability for each of the table's tokens is needed");
  Tensor weighted = ops::convert(context, table, DType::f32);
  const auto width = static_cast<size_t>(weighted.dim(1));
  for (size_t token = 0; token < probability.size(); ++token) {
    const std::span<float> row(weighted.data<float>() + token * width, width);
    const double norm = length(row);
    const double weight = static_cast<double>(a) / (static_cast<double>(a) + probability[token]);
    const double factor = norm > 0.0 ? weight / norm : 0.0;
    for (float& value : row) value = static_cast<float>(value * factor);
  }
  return weighted;
}

void mean_of_rows(const TensorView& table, std::span<const int32_t> ids, std::span<double> out) {
  std::ranges::fill(out, 0.0);
  const auto* rows = table.data<float>();
  for (const int32_t id : ids) {
    MEMLONG_CHECK(id >= 0 && id < table.dim(0),
                  "token " + std::to_string(id) + " is outside the embedding table");
    const float* row = rows + static_cast<int64_t>(id) * table.dim(1);
    for (size_t i = 0; i < out.size(); ++i) out[i] += static_cast<double>(row[i]);
  }
  for (double& value : out) value /= static_cast<double>(ids.size());
}

}  // namespace memlong::retriever
