#include "ops/device/op_run.h"
#include "ops/scale.h"

namespace memlong::ops::device_test {
namespace {

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const int64_t count : {1, 8, 5003}) {
    for (const int64_t from : {0, 3}) {
      const std::string name = std::to_string(count) + "_from_" + std::to_string(from);
      all.push_back({name, [=](OpRun& run) {
                       const Tensor x = run.random({from + count}, DType::f32, 1);
                       const Tensor out = run.random({from + count}, DType::f32, 2);
                       const auto part = [&](const Tensor& of) {
                         return of.view().slice(0, from, from + count);
                       };
                       scale(run.context(), part(x), -1.5F, part(out));
                       scale(run.context(), part(x), 0.3F, part(x));
                       run.result("out", out);
                       run.result("in_place", x);
                     }});
    }
  }
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Scale, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
