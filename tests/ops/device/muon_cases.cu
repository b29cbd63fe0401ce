// What stands between the products of Muon, kernel by kernel.
#include "ops/device/op_run.h"
#include "ops/dispatch.h"
#include "ops/muon_kernels.h"

namespace memlong::ops::device_test {
namespace {

struct Size {
  int64_t rows, columns;
};

std::string name_of(const char* kernel, const Size& size) {
  return std::string(kernel) + "_" + std::to_string(size.rows) + "x" + std::to_string(size.columns);
}

void momentum(OpRun& run, const Size& size, bool nesterov) {
  const Shape shape{size.rows, size.columns};
  const Tensor gradient = run.random(shape, DType::f32, 1);
  const Tensor u = run.random(shape, DType::f32, 2);
  const Tensor d = run.empty(shape, DType::f32);
  const MuonOptions options{.momentum = 0.9F, .nesterov = nesterov, .gradient_scale = 0.25F};
  dispatch(run.context().device(), [&](auto tag) {
    muon_momentum_kernel<decltype(tag)::kDevice>(run.context(), gradient, u, d, options);
  });
  run.result("u", u);
  run.result("d", d);
}

/// Rounded numbers must be the same: both sides round to nearest even.
void round(OpRun& run, const Size& size) {
  const Shape shape{size.rows, size.columns};
  const Tensor x = run.random(shape, DType::f32, 3);
  const Tensor low(shape, DType::bf16, run.context().device());
  dispatch(run.context().device(), [&](auto tag) {
    muon_round_kernel<decltype(tag)::kDevice>(run.context(), x, low, 0.7F, 3.4445F);
  });
  run.result("x", x, 1e-6);
  run.result("low", low, 1e-30);
}

/// b value and c square are exact in f32 here, so that no contraction changes what is rounded.
void combine(OpRun& run, const Size& size) {
  const Shape shape{size.rows, size.columns};
  const Tensor start = run.random(shape, DType::f32, 4);
  const Tensor square = run.random(shape, DType::f32, 5);
  const Tensor low(shape, DType::bf16, run.context().device());
  dispatch(run.context().device(), [&](auto tag) {
    constexpr Device kDevice = decltype(tag)::kDevice;
    muon_round_kernel<kDevice>(run.context(), start, low, 1.0F, 1.0F);
    muon_combine_kernel<kDevice>(run.context(), low, square, -4.0F, 2.0F);
  });
  run.result("low", low, 1e-30);
}

void apply(OpRun& run, const Size& size) {
  const Tensor value = run.random({size.rows, size.columns}, DType::f32, 6);
  const Tensor x = run.random({size.rows, size.columns}, DType::f32, 7);
  dispatch(run.context().device(), [&](auto tag) {
    muon_apply_kernel<decltype(tag)::kDevice>(run.context(), value, x, 0.99F, 0.3F);
  });
  run.result("value", value);
}

/// No step, and hence no product: the momentum alone, at length 1.
void no_step(OpRun& run) {
  const Tensor value = run.random({6, 20}, DType::f32, 8);
  const Tensor gradient = run.random({6, 20}, DType::f32, 9);
  const Tensor u = run.random({6, 20}, DType::f32, 10);
  muon(run.context(), value, gradient, u, {.steps = 0, .weight_decay = 0.1F});
  run.result("value", value);
  run.result("u", u);
}

void whole_step(OpRun& run, const Size& size) {
  const Shape shape{size.rows, size.columns};
  const Tensor value = run.random(shape, DType::f32, 11);
  const Tensor gradient = run.random(shape, DType::f32, 12);
  const Tensor u = run.random(shape, DType::f32, 13);
  muon(run.context(), value, gradient, u, {.lr = 1.0F});
  run.result("u", u);
  run.result("value", value, 2e-2);  // products in bf16
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const Size& size : {Size{1, 1}, Size{3, 5}, Size{8, 3}, Size{40, 72}}) {
    all.push_back({name_of("momentum", size), [=](OpRun& run) { momentum(run, size, false); }});
    all.push_back({name_of("nesterov", size), [=](OpRun& run) { momentum(run, size, true); }});
    all.push_back({name_of("round", size), [=](OpRun& run) { round(run, size); }});
    all.push_back({name_of("combine", size), [=](OpRun& run) { combine(run, size); }});
    all.push_back({name_of("apply", size), [=](OpRun& run) { apply(run, size); }});
  }
  all.push_back({"no_step", no_step});
  for (const Size& size : {Size{24, 40}, Size{40, 24}, Size{5, 7}}) {
    all.push_back({name_of("step", size), [=](OpRun& run) { whole_step(run, size); }});
  }
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Muon, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
