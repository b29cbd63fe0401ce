#include "ops/copy.h"
#include "ops/device/op_run.h"

namespace memlong::ops::device_test {
namespace {

/// Views with gaps and in another order, of `columns` in their last dimension.
void strided(OpRun& run, DType from, DType to, int64_t columns) {
  const Tensor x = run.random({3, 4, 5, columns}, from, 2);
  const Tensor out = run.random({4, 3, 5, columns + 8}, to, 3);
  copy(run.context(), x.view().permute({1, 0, 2, 3}), out.view().slice(3, 8, columns + 8));
  run.result("out", out);
}

/// There and back again, with a change of dtype and of order on the way.
void over_the_bus(OpRun& run, DType dtype) {
  const Tensor x = run.random({6, 5, 7}, dtype, 4);
  const Tensor host({5, 6, 7}, DType::f32);
  copy(run.context(), x.view().permute({1, 0, 2}), host);
  const Tensor out = run.empty({5, 2, 7}, dtype);
  copy(run.context(), host.view().slice(1, 2, 4), out);
  run.result("out", out);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const DType from : {DType::f32, DType::bf16, DType::f16}) {
    for (const DType to : {DType::f32, DType::bf16, DType::f16}) {
      const std::string types = std::string(dtype_name(from)) + "_" + std::string(dtype_name(to));
      all.push_back({types, [=](OpRun& run) {
                       const Tensor x = run.random({7, 333}, from, 1, 100.0F);
                       run.result("out", convert(run.context(), x, run.dtype(to)));
                     }});
      all.push_back({types + "_strided", [=](OpRun& run) { strided(run, from, to, 6); }});
      all.push_back({types + "_wide", [=](OpRun& run) { strided(run, from, to, 16); }});
    }
    all.push_back({std::string(dtype_name(from)) + "_over_the_bus",
                   [=](OpRun& run) { over_the_bus(run, from); }});
  }
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Copy, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
