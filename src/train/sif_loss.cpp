#include "train/sif_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/gemm.h"

namespace memlong::train {
namespace {

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// Which columns of the scores a question may search, and which of them tell the answer.
struct Columns {
  int64_t begin = 0;  ///< its dialog's
  int64_t known = 0;
  int64_t end = 0;
  int64_t first = 0;
  int64_t last = 0;

  [[nodiscard]] bool searched(int64_t j) const { return j < known || j >= end; }
  [[nodiscard]] bool tells(int64_t j) const { return j >= first && j <= last; }
};

/// The loss of one question; its row of cosines becomes d loss / d cosine, times `share`.
double question_loss(float* row, int64_t columns, const Columns& of, double scale, double share) {
  double most = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < columns; ++j) {
    if (of.searched(j)) most = std::max(most, scale * row[j]);
  }
  double all = 0.0;
  double told = 0.0;
  for (int64_t j = 0; j < columns; ++j) {
    if (!of.searched(j)) continue;
    const double e = std::exp(scale * row[j] - most);
    all += e;
    if (of.tells(j)) told += e;
  }
  for (int64_t j = 0; j < columns; ++j) {
    const double e = of.searched(j) ? std::exp(scale * row[j] - most) : 0.0;
    const double slope = e / all - (of.tells(j) ? e / told : 0.0);
    row[j] = static_cast<float>(share * scale * slope);
  }
  return std::log(all) - std::log(told);
}

}  // namespace

SifLoss::SifLoss(Context& context, const TensorView& table, std::span<const float> component)
    : context_(context),
      table_(ops::convert(context, table, DType::f32)),
      component_(component.begin(), component.end()) {
  const int64_t width = table_.dim(1);
  MEMLONG_CHECK(static_cast<int64_t>(component_.size()) == width,
                "the component must be as wide as the table");
  for (int64_t t = 0; t < table_.dim(0); ++t) {
    float* row = table_.data<float>() + t * width;
    const double norm = std::sqrt(dot(row, row, width));
    for (int64_t i = 0; i < width; ++i) {
      row[i] = norm > 0.0 ? static_cast<float>(row[i] / norm) : 0.0F;
    }
  }
}

/// [bags, C] of length 1, or zero where nothing is left.
Tensor SifLoss::embed(std::vector<Bag>& bags, const float* weight) const {
  const int64_t width = table_.dim(1);
  Tensor out({static_cast<int64_t>(bags.size()), width}, DType::f32);
  for (size_t b = 0; b < bags.size(); ++b) {
    float* v = out.data<float>() + static_cast<int64_t>(b) * width;
    std::fill_n(v, width, 0.0F);
    for (const int32_t id : bags[b].ids) {
      MEMLONG_CHECK(id >= 0 && id < table_.dim(0), "a token outside the embedding table");
      const float* row = table_.data<float>() + id * width;
      for (int64_t i = 0; i < width; ++i) v[i] += weight[id] * row[i];
    }
    const auto along = static_cast<float>(dot(v, component_.data(), width));
    for (int64_t i = 0; i < width; ++i) v[i] -= along * component_[static_cast<size_t>(i)];
    bags[b].norm = std::sqrt(dot(v, v, width));
    const auto factor = static_cast<float>(bags[b].norm > 0.0 ? 1.0 / bags[b].norm : 0.0);
    for (int64_t i = 0; i < width; ++i) v[i] *= factor;
  }
  return out;
}

/// Back through length, component and sum; the component lies across `vector`.
void SifLoss::add_gradient(const Bag& bag, const float* vector, const float* dvector,
                           const float* weight, float* gradient, float* row_gradient) const {
  if (!(bag.norm > 0.0)) return;
  const int64_t width = table_.dim(1);
  const double along = dot(dvector, vector, width);
  const double aside = dot(dvector, component_.data(), width);
  std::vector<float> dsum(static_cast<size_t>(width));
  for (int64_t i = 0; i < width; ++i) {
    const auto at = static_cast<size_t>(i);
    dsum[at] =
        static_cast<float>((dvector[i] - along * vector[i] - aside * component_[at]) / bag.norm);
  }
  for (const int32_t id : bag.ids) {
    const double slope = dot(dsum.data(), table_.data<float>() + id * width, width);
    gradient[id] += static_cast<float>(slope * weight[id]);
    if (row_gradient == nullptr) continue;
    float* row = row_gradient + id * width;
    for (int64_t i = 0; i < width; ++i) row[i] += weight[id] * dsum[static_cast<size_t>(i)];
  }
}

double SifLoss::run(std::span<const SifDialog* const> dialogs, const TensorView& log_weight,
                    float scale, const TensorView& gradient, const TensorView& row_gradient) {
  MEMLONG_CHECK(log_weight.shape() == Shape{table_.dim(0)} &&
                    gradient.shape() == log_weight.shape() && gradient.contiguous() &&
                    log_weight.contiguous(),
                "a weight for each token is needed");
  std::vector<float> weight(static_cast<size_t>(table_.dim(0)));
  std::transform(log_weight.data<float>(), log_weight.data<float>() + weight.size(), weight.begin(),
                 [](float value) { return std::exp(value); });
  std::fill_n(gradient.data<float>(), weight.size(), 0.0F);
  float* row_slopes = nullptr;
  if (!row_gradient.empty()) {
    MEMLONG_CHECK(row_gradient.shape() == table_.shape() && row_gradient.contiguous(),
                  "a gradient as large as the table is needed");
    row_slopes = row_gradient.data<float>();
    std::fill_n(row_slopes, table_.shape().elements(), 0.0F);
  }

  std::vector<Bag> chunks;
  std::vector<Bag> questions;
  std::vector<Columns> columns;
  for (const SifDialog* dialog : dialogs) {
    const auto begin = static_cast<int64_t>(chunks.size());
    const int64_t end = begin + static_cast<int64_t>(dialog->chunks.size());
    for (const auto& chunk : dialog->chunks) chunks.push_back({.ids = chunk});
    for (const SifQuestion& question : dialog->questions) {
      questions.push_back({.ids = question.ids});
      columns.push_back({.begin = begin,
                         .known = begin + question.known,
                         .end = end,
                         .first = begin + question.first,
                         .last = begin + question.last});
    }
  }
  if (questions.empty()) return 0.0;

  const Tensor asked = embed(questions, weight.data());
  const Tensor known = embed(chunks, weight.data());
  const int64_t width = table_.dim(1);
  Tensor scores({asked.dim(0), known.dim(0)}, DType::f32);
  ops::gemm(context_, asked.view(), known.view(), scores.view(), {.transpose_b = true});
  const double share = 1.0 / static_cast<double>(questions.size());
  double loss = 0.0;
  for (size_t q = 0; q < questions.size(); ++q) {
    float* row = scores.data<float>() + static_cast<int64_t>(q) * known.dim(0);
    loss += share * question_loss(row, known.dim(0), columns[q], scale, share);
  }
  Tensor dasked(asked.shape(), DType::f32);
  Tensor dknown(known.shape(), DType::f32);
  ops::gemm(context_, scores.view(), known.view(), dasked.view());
  ops::gemm(context_, scores.view(), asked.view(), dknown.view(), {.transpose_a = true});
  const auto backward = [&](const std::vector<Bag>& bags, const Tensor& vectors,
                            const Tensor& dvectors) {
    for (size_t b = 0; b < bags.size(); ++b) {
      const int64_t at = static_cast<int64_t>(b) * width;
      add_gradient(bags[b], vectors.data<float>() + at, dvectors.data<float>() + at, weight.data(),
                   gradient.data<float>(), row_slopes);
    }
  };
  backward(questions, asked, dasked);
  backward(chunks, known, dknown);
  return loss;
}

}  // namespace memlong::train
