#include "retriever/sif_rows.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/error.h"
#include "retriever/unit_vector.h"
#include "tensor/dtype.h"

namespace memlong::retriever {
namespace {

/// Values of any alignment as f32.
template <class T>
void widen(const std::byte* from, std::span<float> to) {
  for (float& value : to) {
    T narrow;
    std::memcpy(&narrow, from, sizeof(T));
    value = static_cast<float>(narrow);
    from += sizeof(T);
  }
}

}  // namespace

void check_token(int32_t id, const TensorView& table) {
  MEMLONG_CHECK(id >= 0 && id < table.dim(0),
                "token " + std::to_string(id) + " is outside the embedding table");
}

SifRows::SifRows(const TensorView& table, std::span<const float> probability, float a)
    : table_(table),
      probability_(probability.begin(), probability.end()),
      a_(static_cast<double>(a)) {
  MEMLONG_CHECK(table.rank() == 2, "the embedding table must be [V, C]");
  MEMLONG_CHECK(static_cast<int64_t>(probability.size()) == table.dim(0),
                "a probability for each of the table's tokens is needed");
  MEMLONG_CHECK(table.device() == Device::cpu, "the sif table is read in main memory");
}

void SifRows::read(int32_t id, std::span<float> out) const {
  check_token(id, table_);
  const size_t bytes = dtype_size(table_.dtype());
  const std::byte* row = static_cast<const std::byte*>(table_.raw()) +
                         static_cast<size_t>(id * table_.stride(0)) * bytes;
  switch (table_.dtype()) {
    case DType::bf16:
      widen<bf16>(row, out);
      break;
    case DType::f16:
      widen<f16>(row, out);
      break;
    default:
      MEMLONG_CHECK(table_.dtype() == DType::f32, "no dtype of a table");
      widen<float>(row, out);
  }
  const double norm = length(out);
  const double weight = a_ / (a_ + probability_[static_cast<size_t>(id)]);
  const double factor = norm > 0.0 ? weight / norm : 0.0;
  for (float& value : out) value = static_cast<float>(value * factor);
}

void SifRows::mean(std::span<const int32_t> ids, std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  std::vector<float> row(out.size());
  for (const int32_t id : ids) {
    read(id, row);
    for (size_t i = 0; i < out.size(); ++i) out[i] += static_cast<double>(row[i]);
  }
  for (double& value : out) value /= static_cast<double>(ids.size());
}

}  // namespace memlong::retriever
