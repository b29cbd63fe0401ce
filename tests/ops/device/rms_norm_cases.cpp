#include "ops/device/op_run.h"
#include "ops/rms_norm.h"

namespace memlong::ops::device_test {
namespace {

std::string name_of(DType a, DType b, int64_t rows, int64_t columns) {
  return std::string(dtype_name(a)) + "_" + std::string(dtype_name(b)) + "_" +
         std::to_string(rows) + "x" + std::to_string(columns);
}

std::vector<OpCase> forward_cases() {
  std::vector<OpCase> cases;
  for (const DType in : {DType::f32, DType::bf16}) {
    for (const DType out : {DType::f32, DType::bf16}) {
      for (const int64_t columns : {1, 20, 64, 3200}) {
        const int64_t rows = columns == 3200 ? 3 : 33;
        cases.push_back({name_of(in, out, rows, columns), [=](OpRun& run) {
                           const Tensor x = run.random({rows, columns}, in, 1);
                           const Tensor weight = run.random({columns}, DType::f32, 2);
                           const Tensor y = run.empty({rows, columns}, out);
                           rms_norm(run.context(), x, weight, 1e-5F, y);
                           run.result("out", y);
                         }});
      }
    }
  }
  cases.push_back({"in_place_and_strided", [](OpRun& run) {
                     const Tensor wide = run.random({5, 64}, DType::bf16, 3);
                     const TensorView x = wide.view().slice(1, 15, 47);
                     const Tensor weight = run.random({32}, DType::f32, 4);
                     rms_norm(run.context(), x, weight, 1e-6F, x);
                     run.result("wide", wide);
                   }});
  return cases;
}

void backward(OpRun& run, DType in, DType grad, int64_t rows, int64_t columns) {
  const Tensor x = run.random({rows, columns}, in, 1);
  const Tensor weight = run.random({columns}, DType::f32, 2);
  const Tensor dout = run.random({rows, columns}, grad, 3);
  const Tensor dx = run.random({rows, columns}, DType::f32, 4);
  const Tensor dweight = run.random({columns}, DType::f32, 5);
  rms_norm_backward(run.context(), x, weight, 1e-3F, dout, dx, dweight);
  run.result("dx", dx);
  run.result("dweight", dweight);
}

std::vector<OpCase> backward_cases() {
  std::vector<OpCase> cases;
  for (const DType in : {DType::f32, DType::bf16}) {
    for (const DType grad : {DType::f32, DType::bf16}) {
      for (const int64_t columns : {1, 20, 512}) {
        for (const int64_t rows : {1, 40}) {
          cases.push_back({name_of(in, grad, rows, columns),
                           [=](OpRun& run) { backward(run, in, grad, rows, columns); }});
        }
      }
    }
  }
  cases.push_back({"strided_without_dweight", [](OpRun& run) {
                     const Tensor x = run.random({5, 70}, DType::bf16, 6);
                     const Tensor dout = run.random({5, 60}, DType::f32, 7);
                     const Tensor dx = run.random({5, 50}, DType::f32, 8);
                     const Tensor weight = run.random({40}, DType::f32, 9);
                     rms_norm_backward(run.context(), x.view().slice(1, 10, 50), weight, 1e-3F,
                                       dout.view().slice(1, 20, 60), dx.view().slice(1, 5, 45), {});
                     run.result("dx", dx);
                   }});
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(RmsNorm, DeviceOp, testing::ValuesIn(forward_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(RmsNormBackward, DeviceOp, testing::ValuesIn(backward_cases()), case_name);

}  // namespace memlong::ops::device_test
