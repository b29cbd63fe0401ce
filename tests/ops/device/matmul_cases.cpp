#include "ops/device/op_run.h"
#include "ops/matmul.h"
#include "ops/reference.h"

namespace memlong::ops::device_test {
namespace {

struct Form {
  DType dtype;
  DType out;
  bool bias;
  bool accumulate;
};

std::string name_of(const Form& form) {
  return std::string(dtype_name(form.dtype)) + "_" + std::string(dtype_name(form.out)) +
         (form.bias ? "_bias" : "") + (form.accumulate ? "_add" : "");
}

void product(OpRun& run, const Form& form, int64_t rows, int64_t n, int64_t k) {
  const Tensor weight = run.random({n, k}, form.dtype, 1);
  const TensorView parts[] = {weight};
  const PackedWeight packed = pack_weight(run.context(), parts, run.dtype(form.dtype));
  const Tensor x = run.random({rows, k}, form.dtype, 2);
  const Tensor bias = run.random({n}, DType::f32, 3);
  const Tensor out =
      form.accumulate ? run.random({rows, n}, form.out, 4) : run.empty({rows, n}, form.out);
  const MatmulOptions options{form.bias ? bias.view() : TensorView(), form.accumulate};
  matmul(run.context(), x, packed, out, options);
  run.result("out", out);
}

/// Weights as a model's file has them: on the host, in another dtype, several for one product; and
/// rows with strides.
void stacked(OpRun& run, DType dtype, DType stored, bool transposed) {
  const Tensor first = reference::random_tensor({24, 40}, stored, 5);
  const Tensor second = reference::random_tensor({9, 40}, stored, 6);
  const Tensor third = reference::random_tensor({7, 50}, stored, 7);
  const TensorView parts[] = {first, second, third.view().slice(1, 3, 43)};
  const PackedWeight packed = transposed
                                  ? pack_weight_transposed(run.context(), parts, run.dtype(dtype))
                                  : pack_weight(run.context(), parts, run.dtype(dtype));
  const int64_t k = packed.in_features();
  const int64_t n = packed.out_features();
  const Tensor x = run.random({5, k + 11}, dtype, 8);
  const Tensor out = run.random({5, n + 13}, DType::f32, 9);
  const Tensor bias = run.random({n + 1}, DType::f32, 10);
  matmul(run.context(), x.view().slice(1, 3, k + 3), packed, out.view().slice(1, 6, n + 6),
         {.bias = bias.view().slice(0, 1, n + 1), .accumulate = true});
  run.result("out", out, dtype == DType::f32 ? 1e-5 : 2e-2);
}

/// A weight and its transpose, packed in one; the weight goes first.
void both(OpRun& run, DType dtype) {
  const Tensor first = run.random({24, 40}, DType::f32, 5);
  const Tensor second = run.random({9, 40}, DType::f32, 6);
  const TensorView parts[] = {first, second};
  PackedPair packed = pack_weight_both(run.context(), parts, run.dtype(dtype));
  const Tensor x = run.random({5, 40}, dtype, 7);
  const Tensor out = run.empty({5, 33}, dtype);
  matmul(run.context(), x, packed.weight, out);
  packed.weight = {};
  const Tensor back = run.empty({5, 40}, dtype);
  matmul(run.context(), out, packed.transposed, back);
  run.result("out", out);
  run.result("back", back);
}

std::vector<Form> forms() {
  std::vector<Form> all;
  const std::pair<DType, DType> types[] = {
      {DType::f32, DType::f32}, {DType::bf16, DType::f32}, {DType::bf16, DType::bf16}};
  for (const auto& [dtype, out] : types) {
    for (const bool bias : {false, true}) {
      for (const bool accumulate : {false, true}) all.push_back({dtype, out, bias, accumulate});
    }
  }
  return all;
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const Form& form : forms()) {
    for (const Shape& e : {Shape{1, 1, 1}, Shape{1, 300, 64}, Shape{1, 5, 2504}, Shape{7, 33, 100},
                           Shape{5, 1, 64}, Shape{64, 20, 16}}) {
      all.push_back({name_of(form) + "_" + std::to_string(e[0]) + "x" + std::to_string(e[1]) + "x" +
                         std::to_string(e[2]),
                     [form, e](OpRun& run) { product(run, form, e[0], e[1], e[2]); }});
    }
  }
  for (const DType dtype : {DType::f32, DType::bf16}) {
    all.push_back(
        {"both_" + std::string(dtype_name(dtype)), [=](OpRun& run) { both(run, dtype); }});
    for (const DType stored : {DType::f32, DType::bf16, DType::f16}) {
      for (const bool transposed : {false, true}) {
        all.push_back({"stacked_" + std::string(dtype_name(dtype)) + "_of_" +
                           std::string(dtype_name(stored)) + (transposed ? "_transposed" : ""),
                       [=](OpRun& run) { stacked(run, dtype, stored, transposed); }});
      }
    }
  }
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Matmul, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
