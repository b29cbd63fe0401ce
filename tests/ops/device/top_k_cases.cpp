#include <cmath>

#include "ops/device/op_run.h"
#include "ops/top_k.h"

namespace memlong::ops::device_test {
namespace {

void results_of(OpRun& run, const TensorView& x, int64_t k) {
  std::vector<double> indices;
  std::vector<double> values;
  for (const Scored& scored : top_k(run.context(), x, k)) {
    indices.push_back(static_cast<double>(scored.index));
    values.push_back(static_cast<double>(scored.value));
  }
  run.result("indices", indices, 0.0);
  run.result("values", values, 0.0);
}

/// Few different values, in places that no block can guess: ties within and between blocks.
Tensor with_ties(OpRun& run, int64_t count, bool special) {
  const std::vector<float> values = {0.0F,  -0.0F,    1.5F,      -2.0F, 1e-40F,
                                     3e38F, INFINITY, -INFINITY, NAN,   -NAN};
  const Tensor host({count}, DType::f32);
  uint32_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    host.data<float>()[i] = values[(state >> 16) % (special ? 10 : 4)];
  }
  return run.upload(host);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const int64_t count : {1, 31, 2048, 2049, 9000}) {
    for (const int64_t k : {1, 7, 40, 1024, 1025}) {
      const std::string size = std::to_string(k) + "_of_" + std::to_string(count);
      all.push_back(
          {size, [=](OpRun& run) { results_of(run, run.random({count}, DType::f32, 1), k); }});
      all.push_back(
          {size + "_ties", [=](OpRun& run) { results_of(run, with_ties(run, count, false), k); }});
      all.push_back({size + "_special",
                     [=](OpRun& run) { results_of(run, with_ties(run, count, true), k); }});
    }
  }
  all.push_back({"argmax_unaligned", [](OpRun& run) {
                   const Tensor x = run.random({3, 5001}, DType::f32, 2);
                   std::vector<double> found;
                   for (int64_t row = 0; row < 3; ++row) {
                     const TensorView logits = x.view().slice(0, row, row + 1).reshape({5001});
                     found.push_back(static_cast<double>(argmax(run.context(), logits)));
                   }
                   run.result("argmax", found, 0.0);
                 }});
  all.push_back({"all_nan", [](OpRun& run) {
                   const Tensor host({5}, DType::f32);
                   std::fill_n(host.data<float>(), 5, NAN);
                   results_of(run, run.upload(host), 3);
                 }});
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(TopK, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
