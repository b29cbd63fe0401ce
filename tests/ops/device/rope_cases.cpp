#include "ops/device/op_run.h"
#include "ops/rope.h"

namespace memlong::ops::device_test {
namespace {

/// A table with an amplitude, on the device.
RopeTable table_of(OpRun& run, int64_t head_dim) {
  const RopeParameters yarn{.scaling = RopeScaling::yarn, .factor = 4.0, .original_positions = 16};
  return RopeTable(yarn, head_dim, 64).on(run.context());
}

struct Sizes {
  int64_t tokens, heads, head_dim, start;
};

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const Sizes& size : {Sizes{1, 1, 2, 63}, Sizes{5, 3, 20, 40}, Sizes{33, 4, 64, 7},
                              Sizes{3, 2, 128, 0}, Sizes{64, 32, 16, 0}}) {
      const auto& [tokens, heads, head_dim, start] = size;
      const std::string name = std::string(dtype_name(dtype)) + "_" + std::to_string(tokens) + "x" +
                               std::to_string(heads) + "x" + std::to_string(head_dim);
      all.push_back({name, [=](OpRun& run) {
                       const RopeTable table = table_of(run, size.head_dim);
                       const Shape shape{size.tokens, size.heads, size.head_dim};
                       const Tensor x = run.random(shape, dtype, 1);
                       const Tensor y = run.empty(shape, dtype);
                       const Tensor back = run.empty(shape, dtype);
                       rope(run.context(), x, table, size.start, y);
                       rope_backward(run.context(), x, table, size.start, back);
                       run.result("out", y);
                       run.result("back", back);
                     }});
    }
  }
  all.push_back({"into_a_cache_and_in_place", [](OpRun& run) {
                   const RopeTable table = table_of(run, 32);
                   const Tensor wide = run.random({6, 3 * 64}, DType::bf16, 2);
                   const TensorView x = wide.view().slice(1, 64, 128).split_last(32);
                   const Tensor cache = run.empty({2, 9, 32}, DType::bf16);
                   const TensorView place = cache.view().slice(1, 2, 8).permute({1, 0, 2});
                   rope(run.context(), x, table, 11, place);
                   rope_backward(run.context(), x, table, 12, x);
                   run.result("cache", cache);
                   run.result("wide", wide);
                 }});
  all.push_back({"of_many_windows", [](OpRun& run) {
                   const RopeTable table = table_of(run, 16);
                   const Tensor wide = run.random({40, 3 * 48}, DType::bf16, 4);
                   const TensorView x = wide.view().slice(1, 48, 96).split_last(16);
                   const Tensor out = run.empty({40, 3, 16}, DType::bf16);
                   const std::vector<RopeRows> windows = {
                       {0, 7, 20}, {7, 7, 3}, {7, 8, 0}, {8, 39, 33}, {39, 40, 63}};
                   rope(run.context(), x, table, windows, out);
                   rope_backward(run.context(), x, table, windows, x);
                   run.result("out", out);
                   run.result("wide", wide);
                 }});
  all.push_back({"unaligned", [](OpRun& run) {
                   const RopeTable table = table_of(run, 16);
                   const Tensor wide = run.random({6, 37}, DType::f32, 3);
                   const TensorView x = wide.view().slice(1, 3, 35).split_last(16);
                   rope(run.context(), x, table, 5, x);
                   run.result("wide", wide);
                 }});
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Rope, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
