#include <cmath>

#include "ops/device/op_run.h"
#include "ops/gelu.h"

namespace memlong::ops::device_test {
namespace {

std::string name_of(DType dtype, int64_t rows, int64_t columns) {
  return std::string(dtype_name(dtype)) + "_" + std::to_string(rows) + "x" +
         std::to_string(columns);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t columns : {1, 20, 64, 2056}) {
      const int64_t rows = columns == 2056 ? 3 : 33;
      cases.push_back({name_of(dtype, rows, columns), [=](OpRun& run) {
                         const Tensor x = run.random({rows, columns}, dtype, 1, 4.0F);
                         const Tensor y = run.empty({rows, columns}, dtype);
                         gelu(run.context(), x, y);
                         run.result("out", y);
                       }});
    }
  }
  cases.push_back({"in_place_and_strided", [](OpRun& run) {
                     const Tensor wide = run.random({5, 50}, DType::bf16, 3);
                     const TensorView x = wide.view().slice(1, 7, 40);
                     gelu(run.context(), x, x);
                     run.result("wide", wide);
                   }});
  cases.push_back({"extreme", [](OpRun& run) {
                     const Tensor host({1, 8}, DType::f32);
                     const float inputs[] = {0.0F,      1e30F, -1e30F, INFINITY,
                                             -INFINITY, -0.0F, 13.9F,  -14.1F};
                     std::copy(std::begin(inputs), std::end(inputs), host.data<float>());
                     const Tensor x = run.upload(host);
                     gelu(run.context(), x, x);
                     run.result("usual", x.view().slice(1, 4, 8));
                     run.result("far", x.view().slice(1, 0, 3));
                   }});
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Gelu, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
