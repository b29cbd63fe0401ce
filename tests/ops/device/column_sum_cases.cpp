#include "ops/column_sum.h"
#include "ops/device/op_run.h"

namespace memlong::ops::device_test {
namespace {

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t rows : {1, 7, 300}) {
      for (const int64_t columns : {1, 33, 96}) {
        const std::string name = std::string(dtype_name(dtype)) + "_" + std::to_string(rows) + "x" +
                                 std::to_string(columns);
        all.push_back({name, [=](OpRun& run) {
                         const Tensor wide = run.random({rows, columns + 3}, dtype, 1);
                         const Tensor out = run.random({columns}, DType::f32, 2);
                         column_sum(run.context(), wide.view().slice(1, 2, columns + 2), out);
                         run.result("out", out);
                       }});
      }
    }
  }
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(ColumnSum, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
