#include "ops/device/op_run.h"
#include "ops/zero.h"

namespace memlong::ops::device_test {
namespace {

std::vector<OpCase> cases() {
  return {{"part", [](OpRun& run) {
             const Tensor x = run.random({5, 33}, DType::bf16, 1);
             zero(run.context(), x.view().slice(0, 1, 4));
             run.result("x", x);
           }}};
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Zero, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
