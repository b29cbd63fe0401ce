#include "ops/device/op_run.h"
#include "ops/layer_norm.h"

namespace memlong::ops::device_test {
namespace {

std::string name_of(DType a, DType b, int64_t rows, int64_t columns) {
  return std::string(dtype_name(a)) + "_" + std::string(dtype_name(b)) + "_" +
         std::to_string(rows) + "x" + std::to_string(columns);
}

void norm(OpRun& run, DType in, DType to, int64_t rows, int64_t columns) {
  const Tensor x = run.random({rows, columns}, in, 1);
  const Tensor add = run.random({rows, columns}, DType::f32, 2);
  const Tensor weight = run.random({columns}, DType::f32, 3);
  const Tensor bias = run.random({columns}, DType::f32, 4);
  const Tensor alone = run.empty({rows, columns}, to);
  const Tensor sum = run.empty({rows, columns}, to);
  LayerNormArgs args{.x = x, .weight = weight, .bias = bias, .eps = 1e-3F, .out = alone};
  layer_norm(run.context(), args);
  run.result("alone", alone);
  args.add = add;
  args.out = sum;
  layer_norm(run.context(), args);
  run.result("sum", sum);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> cases;
  for (const DType in : {DType::f32, DType::bf16}) {
    for (const DType to : {DType::f32, DType::bf16}) {
      for (const int64_t columns : {2, 20, 64, 1024}) {
        const int64_t rows = columns == 1024 ? 3 : 33;
        cases.push_back({name_of(in, to, rows, columns),
                         [=](OpRun& run) { norm(run, in, to, rows, columns); }});
      }
    }
  }
  cases.push_back({"in_place_and_strided", [](OpRun& run) {
                     const Tensor wide = run.random({5, 64}, DType::f32, 5);
                     const TensorView x = wide.view().slice(1, 15, 47);
                     const Tensor add = run.random({5, 40}, DType::f32, 6);
                     const Tensor weight = run.random({32}, DType::f32, 7);
                     const Tensor bias = run.random({32}, DType::f32, 8);
                     layer_norm(run.context(), {.x = x,
                                                .add = add.view().slice(1, 3, 35),
                                                .weight = weight,
                                                .bias = bias,
                                                .eps = 1e-6F,
                                                .out = x});
                     run.result("wide", wide);
                   }});
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(LayerNorm, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
