#include <cmath>

#include "ops/device/op_run.h"
#include "ops/swiglu.h"

namespace memlong::ops::device_test {
namespace {

std::string name_of(DType dtype, int64_t rows, int64_t columns) {
  return std::string(dtype_name(dtype)) + "_" + std::to_string(rows) + "x" +
         std::to_string(columns);
}

/// Rows with every kind of gate: tiny, large, past the range of exp, infinite, none.
Tensor extreme_gates(OpRun& run) {
  const std::vector<float> gates = {0.0F,      -0.0F, 1e-20F, 20.0F, -20.0F, 87.0F,
                                    -87.0F,    89.0F, -89.0F, 1e30F, -1e30F, INFINITY,
                                    -INFINITY, NAN,   -1e-8F, 3e38F};
  const Tensor host({2, 32}, DType::f32);
  for (int64_t i = 0; i < 64; ++i) {
    const auto at = static_cast<size_t>(i % 16);
    host.data<float>()[i] = i % 32 < 16 ? gates[at] : 1.0F / 1024.0F;
  }
  return run.upload(host);
}

std::vector<OpCase> forward_cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t columns : {1, 20, 64, 2056}) {
      const int64_t rows = columns == 2056 ? 3 : 33;
      cases.push_back({name_of(dtype, rows, columns), [=](OpRun& run) {
                         const Tensor x = run.random({rows, 2 * columns}, dtype, 1, 4.0F);
                         const Tensor y = run.empty({rows, columns}, dtype);
                         swiglu(run.context(), x, y);
                         run.result("out", y);
                       }});
    }
  }
  cases.push_back({"strided", [](OpRun& run) {
                     const Tensor x = run.random({5, 80}, DType::bf16, 3);
                     const Tensor y = run.empty({5, 50}, DType::bf16);
                     swiglu(run.context(), x.view().slice(1, 8, 72), y.view().slice(1, 16, 48));
                     run.result("wide", y);
                   }});
  cases.push_back({"extreme", [](OpRun& run) {
                     const Tensor y = run.empty({2, 16}, DType::f32);
                     swiglu(run.context(), extreme_gates(run), y);
                     run.result("usual", y.view().slice(1, 0, 9));
                     run.result("far", y.view().slice(1, 9, 16));
                   }});
  return cases;
}

std::vector<OpCase> backward_cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t columns : {1, 20, 64, 2056}) {
      const int64_t rows = columns == 2056 ? 3 : 33;
      cases.push_back({name_of(dtype, rows, columns), [=](OpRun& run) {
                         const Tensor x = run.random({rows, 2 * columns}, dtype, 1, 4.0F);
                         const Tensor dout = run.random({rows, columns}, dtype, 2);
                         const Tensor dx = run.empty({rows, 2 * columns}, dtype);
                         swiglu_backward(run.context(), x, dout, dx);
                         run.result("dgate_up", dx);
                       }});
    }
  }
  cases.push_back({"in_place_and_strided", [](OpRun& run) {
                     const Tensor x = run.random({5, 80}, DType::bf16, 3);
                     const Tensor dout = run.random({5, 40}, DType::bf16, 4);
                     const TensorView part = x.view().slice(1, 8, 72);
                     swiglu_backward(run.context(), part, dout.view().slice(1, 8, 40), part);
                     run.result("wide", x);
                   }});
  cases.push_back({"extreme", [](OpRun& run) {
                     const Tensor dout = run.random({2, 16}, DType::f32, 5);
                     const Tensor dx = run.empty({2, 32}, DType::f32);
                     swiglu_backward(run.context(), extreme_gates(run), dout, dx);
                     const TensorView dgate = dx.view().slice(1, 0, 16);
                     const TensorView dup = dx.view().slice(1, 16, 32);
                     run.result("dgate", dgate);
                     run.result("dup of usual", dup.slice(1, 0, 9));
                     run.result("dup of far", dup.slice(1, 9, 16));
                   }});
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Swiglu, DeviceOp, testing::ValuesIn(forward_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(SwigluBackward, DeviceOp, testing::ValuesIn(backward_cases()), case_name);

}  // namespace memlong::ops::device_test
