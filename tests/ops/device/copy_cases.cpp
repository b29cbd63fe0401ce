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

/// Pairs of several sizes and orders, some of two dtypes, one from the host.
void pairs(OpRun& run, int64_t columns) {
  const Tensor x = run.random({3, 400, columns}, DType::bf16, 5);
  const Tensor y = run.random({2, 7, columns}, DType::f32, 6);
  const Tensor host({2, 7, columns}, DType::f32);
  copy(run.context(), y, host);
  const Tensor out = run.random({3, 500, columns + 8}, DType::bf16, 7);
  const Tensor floats = run.random({3, 9, columns}, DType::f32, 8);
  const TensorView from = x;
  const TensorView to = out.view().slice(2, 8, columns + 8);
  const TensorView turned = y.view().permute({1, 0, 2}).slice(0, 0, 3);
  const std::vector<CopyPair> all = {
      {from.slice(1, 3, 400), to.slice(1, 0, 397)},
      {from.slice(1, 0, 1), to.slice(1, 397, 398)},
      {from.slice(1, 4, 4), to.slice(1, 460, 460)},
      {y, to.slice(0, 1, 3).slice(1, 400, 407)},
      {turned, to.slice(1, 410, 412)},
      {host.view().slice(1, 2, 5), to.slice(0, 0, 2).slice(1, 420, 423)},
      {from.slice(1, 0, 8), floats.view().slice(1, 1, 9)}};
  copy(run.context(), all);
  run.result("out", out);
  run.result("floats", floats);
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
  all.push_back({"pairs", [](OpRun& run) { pairs(run, 6); }});
  all.push_back({"pairs_wide", [](OpRun& run) { pairs(run, 16); }});
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Copy, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
