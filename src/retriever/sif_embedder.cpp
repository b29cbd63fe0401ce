#include <algorithm>
#include <optional>
#include <utility>

#include "common/error.h"
#include "retriever/embedder.h"
#include "retriever/sif_rows.h"
#include "retriever/unit_vector.h"

namespace memlong::retriever {
namespace {

/// What is left of a mean that points along the component is rounding, not a direction.
constexpr double kLeastShare = 1e-6;

/// Rows of a table [V, C] f32 as they are: those that were learnt.
class LearntRows {
 public:
  LearntRows(std::vector<float> values, const Shape& shape) : values_(std::move(values)) {
    MEMLONG_CHECK(static_cast<int64_t>(values_.size()) == shape.elements(),
                  "the sif vectors must be as many and as wide as the embedding table");
    view_ = TensorView(values_.data(), DType::f32, shape);
  }
  LearntRows(const LearntRows&) = delete;
  LearntRows& operator=(const LearntRows&) = delete;
  ~LearntRows() = default;

  void mean(std::span<const int32_t> ids, std::span<double> out) const {
    std::ranges::fill(out, 0.0);
    for (const int32_t id : ids) {
      check_token(id, view_);
      const float* row = view_.data<float>() + static_cast<int64_t>(id) * view_.dim(1);
      for (size_t i = 0; i < out.size(); ++i) out[i] += static_cast<double>(row[i]);
    }
    for (double& value : out) value /= static_cast<double>(ids.size());
  }

 private:
  std::vector<float> values_;
  TensorView view_;
};

class SifEmbedder : public Embedder {
 public:
  SifEmbedder(const TensorView& table, const SifParameters& parameters,
              std::shared_ptr<const void> owner)
      : owner_(std::move(owner)), component_(parameters.component) {
    if (parameters.vectors.empty()) {
      weighted_.emplace(table, parameters.token_probability, parameters.a);
    } else {
      learnt_.emplace(parameters.vectors, table.shape());
    }
  }

  [[nodiscard]] std::string name() const override { return "sif"; }
  [[nodiscard]] int64_t dim() const override { return static_cast<int64_t>(component_.size()); }
  [[nodiscard]] bool needs_hidden() const override { return false; }

  void embed(std::span<const int32_t> ids, const TensorView& /*hidden*/,
             std::span<float> out) const override {
    MEMLONG_CHECK(static_cast<int64_t>(out.size()) == dim(), "the vector has another dimension");
    std::vector<double> mean(out.size(), 0.0);
    if (!ids.empty() && weighted_) weighted_->mean(ids, mean);
    if (!ids.empty() && learnt_) learnt_->mean(ids, mean);
    const double before = length(std::span(mean));
    const double along = dot(std::span(mean), std::span(component_));
    for (size_t i = 0; i < mean.size(); ++i) mean[i] -= along * component_[i];
    write_unit(mean, before * kLeastShare, out);
  }

 private:
  std::shared_ptr<const void> owner_;  // of the table
  std::optional<SifRows> weighted_;    // one of the two
  std::optional<LearntRows> learnt_;
  std::vector<float> component_;
};

}  // namespace

std::shared_ptr<const Embedder> make_sif_embedder(const TensorView& table,
                                                  const SifParameters& parameters,
                                                  std::shared_ptr<const void> owner) {
  MEMLONG_CHECK(
      table.rank() == 2 && static_cast<int64_t>(parameters.component.size()) == table.dim(1),
      "the sif component must be as wide as the embedding table");
  return std::make_shared<SifEmbedder>(table, parameters, std::move(owner));
}

}  // namespace memlong::retriever
