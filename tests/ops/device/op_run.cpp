#include "ops/device/op_run.h"

#include <cmath>
#include <cstring>

#include "ops/copy.h"
#include "ops/reference.h"

namespace memlong::ops::device_test {
namespace {

bool is_narrow(DType dtype) { return dtype == DType::bf16 || dtype == DType::f16; }

/// |a - b| / |b|; infinite where sizes differ or only one of two elements is no finite number.
double error_of(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  std::vector<double> left = a;
  std::vector<double> right = b;
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    if (std::isfinite(a[i]) && std::isfinite(b[i])) continue;
    if (!same) return INFINITY;
    left[i] = right[i] = 0.0;
  }
  return reference::relative_error(left, right);
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

}  // namespace

Tensor OpRun::random(const Shape& shape, DType dtype, uint32_t seed, float scale) {
  narrow_ = narrow_ || is_narrow(dtype);
  const Tensor host = reference::random_tensor(shape, dtype, seed, scale);
  return convert(context_, host, this->dtype(dtype));
}

Tensor OpRun::empty(const Shape& shape, DType dtype) {
  const Tensor host(shape, this->dtype(dtype));
  std::memset(host.view().raw(), 0xFF, host.bytes());
  return convert(context_, host, host.dtype());
}

Tensor OpRun::upload(const TensorView& host) {
  Tensor tensor(host.shape(), host.dtype(), context_.device());
  const Shape words = {static_cast<int64_t>(host.bytes() / sizeof(float))};
  copy(context_, TensorView(host.raw(), DType::f32, words),
       TensorView(tensor.view().raw(), DType::f32, words, context_.device()));
  return tensor;
}

void OpRun::result(const std::string& name, const TensorView& view, double tolerance) {
  narrow_ = narrow_ || is_narrow(view.dtype());
  if (tolerance == 0.0) tolerance = narrow_ ? 2e-2 : 1e-5;
  const Tensor host(view.shape(), view.dtype());
  copy(context_, view, host);
  result(name, reference::values(host), tolerance);
}

void OpRun::result(const std::string& name, const std::vector<double>& values, double tolerance) {
  results_[name] = {values, tolerance};
}

TEST_P(DeviceOp, MatchesTheCpuInF32) {
  Context cpu;
  OpRun expected(cpu, true);
  GetParam().run(expected);
  ASSERT_FALSE(expected.results().empty());
  std::map<std::string, OpRun::Result> first;
  for (const auto& set_order : orders()) {
    set_order();
    Context cuda({.device = Device::cuda});
    OpRun run(cuda, false);
    GetParam().run(run);
    ASSERT_EQ(run.results().size(), expected.results().size());
    if (first.empty()) first = run.results();
    for (const auto& [name, result] : run.results()) {
      EXPECT_LE(error_of(result.values, expected.results().at(name).values), result.tolerance)
          << name;
      EXPECT_TRUE(same_bits(result.values, first.at(name).values))
          << name << " changes from run to run, or with the order of threads";
    }
  }
}

}  // namespace memlong::ops::device_test
