#include <algorithm>
#include <utility>

#include "common/error.h"
#include "retriever/embedder.h"
#include "retriever/sif_table.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {
namespace {

/// What is left of a mean that points along the component is rounding, not a direction.
constexpr double kLeastShare = 1e-6;

class SifEmbedder : public Embedder {
 public:
  SifEmbedder(Tensor table, std::vector<float> component)
      : table_(std::move(table)), component_(std::move(component)) {}

  [[nodiscard]] std::string name() const override { return "sif"; }
  [[nodiscard]] int64_t dim() const override { return table_.dim(1); }
  [[nodiscard]] bool needs_hidden() const override { return false; }

  void embed(std::span<const int32_t> ids, const TensorView& /*hidden*/,
             std::span<float> out) const override {
    MEMLONG_CHECK(static_cast<int64_t>(out.size()) == dim(), "the vector has another dimension");
    std::vector<double> mean(out.size(), 0.0);
    if (!ids.empty()) mean_of_rows(table_, ids, mean);
    const double before = length(std::span(mean));
    const double along = dot(std::span(mean), std::span(component_));
    for (size_t i = 0; i < mean.size(); ++i) mean[i] -= along * component_[i];
    write_unit(mean, before * kLeastShare, out);
  }

 private:
  Tensor table_;  // [V, C] f32, weighted
  std::vector<float> component_;
};

Tensor token_rows(Context& context, const TensorView& table, const SifParameters& parameters) {
  if (parameters.vectors.empty()) {
    return sif_table(context, table, parameters.token_probability, parameters.a);
  }
  MEMLONG_CHECK(static_cast<int64_t>(parameters.vectors.size()) == table.shape().elements(),
                "the sif vectors must be as many and as wide as the embedding table");
  Tensor rows(table.shape(), DType::f32);
  std::copy(parameters.vectors.begin(), parameters.vectors.end(), rows.data<float>());
  return rows;
}

}  // namespace

std::shared_ptr<const Embedder> make_sif_embedder(Context& context, const TensorView& table,
                                                  const SifParameters& parameters) {
  MEMLONG_CHECK(
      table.rank() == 2 && static_cast<int64_t>(parameters.component.size()) == table.dim(1),
      "the sif component must be as wide as the embedding table");
  return std::make_shared<SifEmbedder>(token_rows(context, table, parameters),
                                       parameters.component);
}

}  // namespace memlong::retriever
