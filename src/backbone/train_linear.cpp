#include "backbone/train_linear.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/column_sum.h"
#include "ops/copy.h"
#include "ops/gemm.h"
#include "ops/scale.h"

namespace memlong::backbone {
namespace {

bool any_trained(const std::vector<TrainTensor>& tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const TrainTensor& tensor) { return tensor.trained(); });
}

double product_flops(int64_t rows, int64_t n, int64_t k) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k);
}

/// Lives until the next call.
TensorView scaled(Context& context, const TensorView& x, float factor) {
  const TensorView out = context.scratch("train_linear.scaled", x.shape(), DType::f32);
  ops::scale(context, x, factor, out);
  return out;
}

}  // namespace

TrainLinear::TrainLinear(TrainLinearParts parts, DType dtype, bool input_gradient)
    : parts_(std::move(parts)), dtype_(dtype), input_gradient_(input_gradient) {
  for (const TrainTensor& weight : parts_.weights) rows_ += weight.value.dim(0);
  columns_ = parts_.weights.front().value.dim(1);
  paths_.resize(parts_.low_rank.size());
}

bool TrainLinear::trained() const {
  return any_trained(parts_.weights) || any_trained(parts_.biases) || !parts_.low_rank.empty();
}

void TrainLinear::pack(Context& context) {
  const bool first = packed_.empty();
  if (first || any_trained(parts_.weights)) {
    std::vector<TensorView> values;
    for (const TrainTensor& weight : parts_.weights) values.push_back(weight.value);
    if (input_gradient_) {
      auto [packed, transposed] = ops::pack_weight_both(context, values, dtype_);
      packed_ = std::move(packed);
      transposed_ = std::move(transposed);
    } else {
      packed_ = ops::pack_weight(context, values, dtype_);
    }
  }
  if (!parts_.biases.empty() && (first || any_trained(parts_.biases))) {
    if (first) {
      context.activate();
      bias_ = Tensor({rows_}, DType::f32, context.device());
    }
    int64_t at = 0;
    for (const TrainTensor& bias : parts_.biases) {
      const int64_t end = at + bias.value.dim(0);
      ops::copy(context, bias.value, bias_.view().slice(0, at, end));
      at = end;
    }
  }
  for (size_t i = 0; i < paths_.size(); ++i) pack_path(context, i);
}

void TrainLinear::pack_path(Context& context, size_t i) {
  const LowRank& path = parts_.low_rank[i];
  PackedPath& packed = paths_[i];
  // With the scale in the first factor of each direction, no gradient needs it again.
  const TensorView a = scaled(context, path.a.value, path.scale);
  packed.a = ops::pack_weight(context, std::array{a}, dtype_);
  packed.b = ops::pack_weight(context, std::array{path.b.value}, dtype_);
  const TensorView b = scaled(context, path.b.value, path.scale);
  packed.b_back = ops::pack_weight_transposed(context, std::array{b}, dtype_);
  if (input_gradient_) {
    packed.a_back = ops::pack_weight_transposed(context, std::array{path.a.value}, dtype_);
  }
}

double TrainLinear::forward(Context& context, const TensorView& x, const TensorView& out,
                            bool accumulate) const {
  const int64_t rows = x.dim(0);
  double flops = product_flops(rows, rows_, columns_);
  const bool direct = paths_.empty() || out.dtype() == DType::f32;
  const TensorView sum =
      direct ? out : context.scratch("train_linear.sum", {rows, rows_}, DType::f32);
  ops::matmul(context, x, packed_, sum, {.bias = bias_, .accumulate = accumulate});
  for (size_t i = 0; i < paths_.size(); ++i) {
    const LowRank& path = parts_.low_rank[i];
    const int64_t rank = path.a.value.dim(0);
    const TensorView inner = context.scratch("train_linear.inner", {rows, rank}, dtype_);
    ops::matmul(context, x, paths_[i].a, inner);
    ops::matmul(context, inner, paths_[i].b, sum.slice(1, path.begin, path.end),
                {.accumulate = true});
    flops += product_flops(rows, rank, columns_ + path.end - path.begin);
  }
  if (!direct) ops::copy(context, sum, out);
  return flops;
}

double TrainLinear::backward(Context& context, const TensorView& x, const TensorView& dout,
                             const TensorView& dx, bool accumulate) const {
  const int64_t rows = x.dim(0);
  double flops = 0.0;
  int64_t at = 0;
  for (size_t i = 0; i < parts_.weights.size(); ++i) {
    const int64_t end = at + parts_.weights[i].value.dim(0);
    const TensorView columns = dout.slice(1, at, end);
    if (parts_.weights[i].trained()) {
      ops::gemm(context, columns, x, parts_.weights[i].gradient,
                {.transpose_a = true, .accumulate = true});
      flops += product_flops(rows, end - at, columns_);
    }
    if (!parts_.biases.empty() && parts_.biases[i].trained()) {
      ops::column_sum(context, columns, parts_.biases[i].gradient);
    }
    at = end;
  }
  const bool wanted = dx.raw() != nullptr;
  const bool direct = !wanted || paths_.empty() || dx.dtype() == DType::f32;
  const TensorView sum =
      direct ? dx : context.scratch("train_linear.dsum", {rows, columns_}, DType::f32);
  if (wanted) {
    ops::matmul(context, dout, transposed_, sum, {.accumulate = accumulate});
    flops += product_flops(rows, rows_, columns_);
  }
  for (size_t i = 0; i < paths_.size(); ++i) flops += path_backward(context, i, x, dout, sum);
  if (!direct) ops::copy(context, sum, dx);
  return flops;
}

double TrainLinear::path_backward(Context& context, size_t i, const TensorView& x,
                                  const TensorView& dout, const TensorView& dx) const {
  const LowRank& path = parts_.low_rank[i];
  const int64_t rows = x.dim(0);
  const int64_t rank = path.a.value.dim(0);
  const TensorView columns = dout.slice(1, path.begin, path.end);
  const TensorView inner = context.scratch("train_linear.inner", {rows, rank}, dtype_);
  ops::matmul(context, x, paths_[i].a, inner);
  ops::gemm(context, columns, inner, path.b.gradient, {.transpose_a = true, .accumulate = true});
  const TensorView dinner = context.scratch("train_linear.dinner", {rows, rank}, dtype_);
  ops::matmul(context, columns, paths_[i].b_back, dinner);
  ops::gemm(context, dinner, x, path.a.gradient, {.transpose_a = true, .accumulate = true});
  const double width = static_cast<double>(path.end - path.begin);
  double flops =
      product_flops(rows, rank, 2 * columns_) + 2.0 * product_flops(rows, rank, 1) * width;
  if (dx.raw() != nullptr) {
    ops::matmul(context, dinner, paths_[i].a_back, dx, {.accumulate = true});
    flops += product_flops(rows, rank, columns_);
  }
  return flops;
}

}  // namespace memlong::backbone
