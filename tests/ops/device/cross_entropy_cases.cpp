#include <algorithm>
#include <cmath>

#include "ops/cross_entropy.h"
#include "ops/device/op_run.h"

namespace memlong::ops::device_test {
namespace {

enum class Gradient { none, own, in_place };

/// Five rows: the first, the last and some column, none, and one without
/// weight.
void five_rows(OpRun& run, const TensorView& logits, DType dtype, Gradient gradient,
               bool with_argmax) {
  const int64_t columns = logits.dim(1);
  const std::vector<int32_t> targets = {0, static_cast<int32_t>(columns - 1), -1,
                                        static_cast<int32_t>(columns / 2), 0};
  const std::vector<float> weights = {1.0F, 0.25F, 3.0F, -2.0F, 0.0F};
  std::vector<float> loss(5, -1.0F);
  std::vector<int32_t> argmax(with_argmax ? 5 : 0, -1);
  Tensor own;
  TensorView dlogits;
  if (gradient == Gradient::own) {
    own = run.empty(logits.shape(), dtype);
    dlogits = own;
  } else if (gradient == Gradient::in_place) {
    dlogits = logits;
  }
  cross_entropy(run.context(), {logits, targets, weights, loss, argmax, dlogits});
  run.result("loss", {loss.begin(), loss.end()}, 2e-6);
  if (with_argmax) run.result("argmax", {argmax.begin(), argmax.end()}, 0.0);
  if (gradient == Gradient::none) return;
  for (int64_t row = 0; row < 5; ++row) {
    run.result("dlogits " + std::to_string(row), dlogits.slice(0, row, row + 1));
  }
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const int64_t columns : {1, 2, 64, 97, 4096, 8200, 9001}) {
    const std::string size = std::to_string(columns);
    const Shape shape{5, columns};
    for (const DType dtype : {DType::f32, DType::bf16}) {
      all.push_back({std::string(dtype_name(dtype)) + "_" + size, [=](OpRun& run) {
                       const Tensor logits = run.random(shape, DType::f32, 1, 4.0F);
                       five_rows(run, logits, dtype, Gradient::own, true);
                     }});
    }
    all.push_back({"in_place_" + size, [=](OpRun& run) {
                     const Tensor logits = run.random(shape, DType::f32, 2, 4.0F);
                     five_rows(run, logits, DType::f32, Gradient::in_place, false);
                   }});
    all.push_back({"loss_only_" + size, [=](OpRun& run) {
                     const Tensor logits = run.random(shape, DType::f32, 3, 40.0F);
                     five_rows(run, logits, DType::f32, Gradient::none, true);
                   }});
  }
  all.push_back({"in_place_and_strided", [](OpRun& run) {
                   const Tensor wide = run.random({5, 120}, DType::f32, 4);
                   five_rows(run, wide.view().slice(1, 8, 112), DType::f32, Gradient::in_place,
                             true);
                   run.result("wide", wide);
                 }});
  return all;
}

constexpr int64_t kColumns = 1200;

std::vector<float> repeated(const std::vector<float>& pattern) {
  std::vector<float> row;
  for (size_t i = 0; i < size_t{kColumns}; ++i) row.push_back(pattern[i % pattern.size()]);
  return row;
}

std::vector<float> one_among(float one, int64_t at, float others) {
  std::vector<float> row(size_t{kColumns}, others);
  row[static_cast<size_t>(at)] = one;
  return row;
}

/// One row, since what is not finite must not hide the rest.
OpCase extreme(const std::string& name, const std::vector<float>& row, int32_t target,
               float weight = 1.5F) {
  return {name, [=](OpRun& run) {
            const Tensor host({1, kColumns}, DType::f32);
            std::copy(row.begin(), row.end(), host.data<float>());
            const Tensor logits = run.upload(host);
            const Tensor gradient = run.empty({1, kColumns}, DType::f32);
            const std::vector<int32_t> targets = {target};
            const std::vector<float> weights = {weight};
            std::vector<float> loss(1);
            std::vector<int32_t> argmax(1);
            cross_entropy(run.context(), {logits, targets, weights, loss, argmax, gradient});
            run.result("loss", {loss.begin(), loss.end()}, 2e-6);
            run.result("argmax", {argmax.begin(), argmax.end()}, 0.0);
            run.result("dlogits", gradient);
          }};
}

std::vector<OpCase> extreme_cases() {
  const std::vector<float> peaks = {-1e6F, -1e6F, -1e6F, 1e6F};
  return {
      extreme("far_apart", repeated(peaks), 2),
      extreme("far_apart_at_the_largest", repeated(peaks), 7),
      extreme("all_equal", repeated({3.0F}), 1000),
      extreme("zeros_of_both_signs", repeated({-0.0F, 0.0F}), 1),
      extreme("large", repeated({1e4F, 1e4F - 1.0F, 1e4F - 7.0F}), 5),
      extreme("some_minus_infinity", repeated({-INFINITY, -INFINITY, 2.0F, 1.0F}), 0),
      extreme("one_finite", one_among(5.0F, 1199, -INFINITY), 1199),
      extreme("all_minus_infinity", repeated({-INFINITY}), 3),
      extreme("infinity", one_among(INFINITY, 600, 1.0F), 0),
      extreme("one_nan", one_among(NAN, 700, 1.0F), 0),
      extreme("all_nan", repeated({NAN}), 0),
      extreme("one_nan_without_weight", one_among(NAN, 700, 1.0F), 0, 0.0F),
      extreme("one_nan_without_target", one_among(NAN, 700, 1.0F), -1),
  };
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(CrossEntropy, DeviceOp, testing::ValuesIn(cases()), case_name);
INSTANTIATE_TEST_SUITE_P(CrossEntropyExtreme, DeviceOp, testing::ValuesIn(extreme_cases()),
                         case_name);

}  // namespace memlong::ops::device_test
