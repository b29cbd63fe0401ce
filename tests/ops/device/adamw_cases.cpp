#include "ops/adamw.h"
#include "ops/device/op_run.h"

namespace memlong::ops::device_test {
namespace {

void two_steps(OpRun& run, int64_t count, int64_t from) {
  const Tensor value = run.random({from + count}, DType::f32, 1);
  const Tensor gradient = run.random({from + count}, DType::f32, 2, 3.0F);
  const Tensor m = Tensor::zeros({from + count}, DType::f32, run.context().device());
  const Tensor v = Tensor::zeros({from + count}, DType::f32, run.context().device());
  const auto part = [&](const Tensor& x) { return x.view().slice(0, from, from + count); };
  AdamWOptions options{.lr = 0.05F, .weight_decay = 0.1F, .gradient_scale = 0.5F};
  for (options.step = 1; options.step <= 2; ++options.step) {
    adamw(run.context(), part(value), part(gradient), part(m), part(v), options);
  }
  run.result("value", value);
  run.result("m", m);
  run.result("v", v);
}

std::vector<OpCase> adamw_cases() {
  std::vector<OpCase> all;
  for (const int64_t count : {1, 7, 8, 2048, 5003, 60001}) {
    all.push_back({std::to_string(count), [=](OpRun& run) { two_steps(run, count, 0); }});
  }
  all.push_back({"unaligned", [](OpRun& run) { two_steps(run, 64, 3); }});
  all.push_back({"matrix", [](OpRun& run) {  // columns of no use, but all are neighbours
                   const Tensor value = run.random({16, 5}, DType::f32, 1);
                   const Tensor gradient = run.random({16, 5}, DType::f32, 2);
                   const Tensor m = Tensor::zeros({16, 5}, DType::f32, run.context().device());
                   const Tensor v = Tensor::zeros({16, 5}, DType::f32, run.context().device());
                   adamw(run.context(), value, gradient, m, v, {});
                   run.result("value", value);
                 }});
  return all;
}

std::vector<OpCase> sum_cases() {
  std::vector<OpCase> all;
  for (const int64_t count : {1, 7, 8, 2049, 16384, 40005}) {
    for (const int64_t from : {0, 3}) {
      const std::string name = std::to_string(count) + "_from_" + std::to_string(from);
      all.push_back({name, [=](OpRun& run) {
                       const Tensor x = run.random({from + count}, DType::f32, 5);
                       const TensorView part = x.view().slice(0, from, from + count);
                       run.result("sum", {square_sum(run.context(), part)}, 1e-13);
                     }});
    }
  }
  all.push_back({"wide_range", [](OpRun& run) {  // past what f32 can sum
                   const Tensor host({300}, DType::f32);
                   for (int64_t i = 0; i < 300; ++i) {
                     host.data<float>()[i] = i % 3 == 0 ? 1e25F : 1e-25F;
                   }
                   run.result("sum", {square_sum(run.context(), run.upload(host))}, 1e-13);
                 }});
  all.push_back({"of_many", [](OpRun& run) {  // one of them empty, sizes apart
                   const Tensor a = run.random({16389}, DType::f32, 6);
                   const Tensor b = run.random({3, 5}, DType::f32, 7, 100.0F);
                   const std::vector<TensorView> xs = {a, b.view().slice(0, 1, 1), b,
                                                       a.view().slice(0, 1, 9)};
                   run.result("sum", {square_sum(run.context(), xs)}, 1e-13);
                   run.result("none", {1.0 + square_sum(run.context(), std::span(xs).first(0))},
                              1e-13);
                 }});
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(AdamW, DeviceOp, testing::ValuesIn(adamw_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(SquareSum, DeviceOp, testing::ValuesIn(sum_cases()), case_name);

}  // namespace memlong::ops::device_test
