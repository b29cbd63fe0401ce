#include "train/sif_learning.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/error.h"
#include "ops/adamw.h"
#include "train/random.h"
#include "train/sif_loss.h"

namespace memlong::train {
namespace {

constexpr float kLeastWeight = 1e-4F;
constexpr float kBeta2 = 0.999F;

double weight_of(const retriever::SifParameters& parameters, size_t token) {
  const double a = parameters.a;
  return a / (a + static_cast<double>(parameters.token_probability[token]));
}

retriever::SifParameters as_parameters(const TensorView& log_weight,
                                       retriever::SifParameters parameters) {
  const auto count = static_cast<size_t>(log_weight.dim(0));
  const auto* value = log_weight.data<float>();
  const float most = *std::max_element(value, value + count);
  for (size_t t = 0; t < count; ++t) {
    const double weight = std::exp(static_cast<double>(value[t] - most));
    const double floor = std::max(weight, static_cast<double>(kLeastWeight));
    parameters.token_probability[t] = static_cast<float>(parameters.a * (1.0 / floor - 1.0));
  }
  return parameters;
}

/// Each row times its token's weight, the largest weight being 1.
std::vector<float> weighted_rows(const TensorView& log_weight, const TensorView& rows) {
  const auto* value = log_weight.data<float>();
  const float most = *std::max_element(value, value + log_weight.dim(0));
  const int64_t width = rows.dim(1);
  std::vector<float> vectors(rows.data<float>(), rows.data<float>() + rows.shape().elements());
  for (int64_t t = 0; t < rows.dim(0); ++t) {
    const float weight = std::max(std::exp(value[t] - most), kLeastWeight);
    for (int64_t i = 0; i < width; ++i) vectors[static_cast<size_t>(t * width + i)] *= weight;
  }
  return vectors;
}

void shuffle(std::vector<const SifDialog*>& order, Random& random) {
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(static_cast<uint64_t>(i))]);
  }
}

}  // namespace

retriever::SifParameters learn_sif(Context& context, const TensorView& table,
                                   const std::vector<SifDialog>& dialogs,
                                   const retriever::SifParameters& start,
                                   const SifLearningOptions& options, const SifProgress& progress) {
  MEMLONG_CHECK(static_cast<int64_t>(start.token_probability.size()) == table.dim(0),
                "the weights to begin with are of another vocabulary");
  std::vector<const SifDialog*> order;
  for (const SifDialog& dialog : dialogs) {
    if (!dialog.questions.empty()) order.push_back(&dialog);
  }
  if (order.empty()) {
    fail(ErrorKind::usage,
         "no dialog asks for what its memory holds: weights are learnt from dialogs whose probes "
         "name a \"fact_turn\"");
  }
  const Shape shape{table.dim(0)};
  Tensor log_weight(shape, DType::f32);
  Tensor gradient(shape, DType::f32);
  const Tensor m = Tensor::zeros(shape, DType::f32);
  const Tensor v = Tensor::zeros(shape, DType::f32);
  for (size_t t = 0; t < start.token_probability.size(); ++t) {
    log_weight.data<float>()[t] = static_cast<float>(std::log(weight_of(start, t)));
  }
  SifLoss loss(context, table, start.component);
  Tensor row_gradient;
  Tensor row_m;
  Tensor row_v;
  if (options.vectors) {
    row_gradient = Tensor(table.shape(), DType::f32);
    row_m = Tensor::zeros(table.shape(), DType::f32);
    row_v = Tensor::zeros(table.shape(), DType::f32);
  }
  Random random(options.seed);
  const auto group = static_cast<size_t>(options.dialogs);
  const auto in_a_pass = static_cast<int64_t>((order.size() + group - 1) / group);
  const int64_t steps = options.passes * in_a_pass;
  for (int64_t step = 0; step < steps; ++step) {
    if (step % in_a_pass == 0) shuffle(order, random);
    const size_t at = static_cast<size_t>(step % in_a_pass) * group;
    const auto batch = std::span(order).subspan(at, std::min(group, order.size() - at));
    const double value =
        loss.run(batch, log_weight.view(), options.scale, gradient.view(), row_gradient.view());
    const float left = 1.0F - static_cast<float>(step) / static_cast<float>(steps);
    ops::adamw(context, log_weight.view(), gradient.view(), m.view(), v.view(),
               {.lr = options.lr * left, .beta2 = kBeta2, .step = step + 1});
    if (options.vectors) {
      ops::adamw(context, loss.rows(), row_gradient.view(), row_m.view(), row_v.view(),
                 {.lr = options.vector_lr * left, .beta2 = kBeta2, .step = step + 1});
    }
    if (progress) progress(step + 1, steps, value);
  }
  retriever::SifParameters learnt = as_parameters(log_weight.view(), start);
  learnt.vectors.clear();
  if (options.vectors) learnt.vectors = weighted_rows(log_weight.view(), loss.rows());
  return learnt;
}

double sif_found(Context& context, const TensorView& table, const std::vector<SifDialog>& dialogs,
                 const retriever::SifParameters& parameters, int64_t top_k) {
  const auto embedder = retriever::make_sif_embedder(context, table, parameters);
  const auto width = static_cast<size_t>(embedder->dim());
  int64_t questions = 0;
  int64_t found = 0;
  for (const SifDialog& dialog : dialogs) {
    if (dialog.questions.empty()) continue;
    std::vector<float> vectors(dialog.chunks.size() * width);
    for (size_t c = 0; c < dialog.chunks.size(); ++c) {
      embedder->embed(dialog.chunks[c], {}, std::span(vectors).subspan(c * width, width));
    }
    std::vector<float> asked(width);
    for (const SifQuestion& question : dialog.questions) {
      embedder->embed(question.ids, {}, asked);
      std::vector<float> scores(static_cast<size_t>(question.known));
      for (size_t c = 0; c < scores.size(); ++c) {
        scores[c] = std::inner_product(asked.begin(), asked.end(),
                                       vectors.begin() + static_cast<int64_t>(c * width), 0.0F);
      }
      const auto best =
          std::max_element(scores.begin() + question.first, scores.begin() + question.last + 1);
      const auto nearer = std::ranges::count_if(scores, [&](float s) { return s > *best; });
      found += nearer < top_k ? 1 : 0;
      ++questions;
    }
  }
  return questions == 0 ? -1.0 : static_cast<double>(found) / static_cast<double>(questions);
}

}  // namespace memlong::train
