#include "train/loss.h"

#include <algorithm>
#include <vector>

#include "ops/cross_entropy.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/zero.h"

namespace memlong::train {
namespace {

/// Rows whose logits exist at once. The host waits for each block's losses: on a GPU as many as fit
/// into kDeviceLogits elements.
constexpr int64_t kRowBlock = 512;
constexpr int64_t kDeviceLogits = int64_t{1} << 26;

int64_t row_block(const Context& context, int64_t vocab) {
  if (context.device() == Device::cpu) return kRowBlock;
  return std::max(kRowBlock, kDeviceLogits / vocab);
}

/// Rows that have a target.
struct TargetRows {
  std::vector<int32_t> rows;  ///< packed rows, rising
  std::vector<int32_t> targets;
  std::vector<float> weights;
  std::vector<float> loss;
  std::vector<int32_t> argmax;
};

TargetRows target_rows(const Batch& batch) {
  TargetRows all;
  int32_t row = 0;
  for (const Sequence& sequence : batch.sequences) {
    for (size_t t = 0; t < sequence.ids.size(); ++t, ++row) {
      if (sequence.targets[t] < 0) continue;
      all.rows.push_back(row);
      all.targets.push_back(sequence.targets[t]);
      all.weights.push_back(sequence.weights[t]);
    }
  }
  all.loss.resize(all.rows.size());
  all.argmax.resize(all.rows.size());
  return all;
}

template <class T>
std::span<T> part(std::vector<T>& all, int64_t begin, int64_t end) {
  return std::span(all).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

/// Head and cross-entropy over the normed rows [n, C]; dnormed [n, C] f32, or empty.
void head_pass(Context& context, const LossArgs& args, const TensorView& normed,
               const TensorView& dnormed, TargetRows& all, double& flops) {
  const int64_t count = normed.dim(0);
  std::vector<float> gradient_weights = all.weights;
  for (float& weight : gradient_weights) weight *= args.scale;
  const int64_t block = row_block(context, args.config.vocab);
  for (int64_t begin = 0; begin < count; begin += block) {
    const int64_t end = std::min(count, begin + block);
    const Shape shape{end - begin, args.config.vocab};
    const TensorView x = normed.slice(0, begin, end);
    const TensorView logits = context.scratch("loss.logits", shape, DType::f32);
    flops += args.head.forward(context, x, logits);
    TensorView dlogits;
    if (dnormed.raw() != nullptr) {
      const bool same = args.dtype == DType::f32;
      dlogits = same ? logits : context.scratch("loss.dlogits", shape, args.dtype);
    }
    ops::cross_entropy(context, {.logits = logits,
                                 .targets = part(all.targets, begin, end),
                                 .weights = part(gradient_weights, begin, end),
                                 .loss = part(all.loss, begin, end),
                                 .argmax = part(all.argmax, begin, end),
                                 .dlogits = dlogits});
    if (dnormed.raw() == nullptr) continue;
    flops += args.head.backward(context, x, dlogits, dnormed.slice(0, begin, end));
  }
}

/// Every target of rows [begin, end) was the likeliest id, and there is one. Rows are packed ones.
bool exact_rows(const TargetRows& all, int64_t begin, int64_t end) {
  const auto first = std::lower_bound(all.rows.begin(), all.rows.end(), begin);
  const auto last = std::lower_bound(all.rows.begin(), all.rows.end(), end);
  for (auto row = first; row != last; ++row) {
    const auto i = static_cast<size_t>(row - all.rows.begin());
    if (all.argmax[i] != all.targets[i]) return false;
  }
  return first != last;
}

LossSums sum_up(const LossArgs& args, const TargetRows& all) {
  LossSums sums;
  for (size_t i = 0; i < all.rows.size(); ++i) {
    sums.loss += static_cast<double>(all.weights[i]) * static_cast<double>(all.loss[i]);
    sums.weight += static_cast<double>(all.weights[i]);
    sums.plain_loss += static_cast<double>(all.loss[i]);
  }
  sums.targets = static_cast<int64_t>(all.rows.size());
  for (size_t i = 0; i < args.batch.sequences.size(); ++i) {
    const int64_t row = args.packed.parts[i].begin;
    std::vector<bool>& exact = sums.exact.emplace_back();
    for (const AnswerRows& answer : args.batch.sequences[i].answers) {
      exact.push_back(exact_rows(all, row + answer.begin, row + answer.end));
      sums.answers += 1;
      sums.exact_answers += exact.back() ? 1 : 0;
    }
  }
  return sums;
}

}  // namespace

LossSums loss_pass(Context& context, const LossArgs& args, double& flops) {
  TargetRows all = target_rows(args.batch);
  const auto count = static_cast<int64_t>(all.rows.size());
  const Shape shape{count, args.config.hidden};
  const bool gradients = args.dx.raw() != nullptr;
  if (gradients) ops::zero(context, args.dx);
  if (count == 0) return sum_up(args, all);

  const bool every = count == args.x.dim(0);
  const TensorView x = every ? args.x : context.scratch("loss.x", shape, DType::f32);
  if (!every) ops::embedding(context, args.x, all.rows, x);
  const TensorView normed = context.scratch("loss.normed", shape, args.dtype);
  ops::rms_norm(context, x, args.final_norm.value, args.config.rms_eps, normed);
  TensorView dnormed;
  if (gradients) dnormed = context.scratch("loss.dnormed", shape, DType::f32);
  head_pass(context, args, normed, dnormed, all, flops);
  if (gradients) {
    const TensorView dx = every ? args.dx : context.scratch("loss.dx", shape, DType::f32);
    if (!every) ops::zero(context, dx);
    ops::rms_norm_backward(context, x, args.final_norm.value, args.config.rms_eps, dnormed, dx,
                           args.final_norm.gradient);
    if (!every) ops::embedding_backward(context, all.rows, dx, args.dx);
  }
  return sum_up(args, all);
}

}  // namespace memlong::train
