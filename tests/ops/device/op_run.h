// One list of op cases for every device. A case is a function that makes operands, calls an op and
// names its results; it runs on the CPU in f32 for the values to hold against, then on the device,
// more than once, where every run must give the same bits.
//
// To add an op: NAME_cases.cpp beside this with functions void(OpRun&) and
// INSTANTIATE_TEST_SUITE_P(Name, DeviceOp, testing::ValuesIn(...), case_name).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops::device_test {

/// What a case works with, on one device.
class OpRun {
 public:
  /// With `exact`, the dtype of every tensor is f32 (the elements are rounded to the dtype that was
  /// asked for).
  OpRun(Context& context, bool exact) : context_(context), exact_(exact) {}

  Context& context() { return context_; }
  /// The dtype to name where an op takes one.
  [[nodiscard]] DType dtype(DType wanted) const { return exact_ ? DType::f32 : wanted; }

  /// Normal numbers, on the device. The same for all devices.
  Tensor random(const Shape& shape, DType dtype, uint32_t seed, float scale = 1.0F);
  /// For results; NaN at first, so that what is not written shows.
  Tensor empty(const Shape& shape, DType dtype);
  /// The same elements on the device, of any dtype that is 4 or 8 bytes wide.
  Tensor upload(const TensorView& host);

  /// A result of the case, and how wrong it may be: |a - b| / |b| with Euclidean norms. 0: 1e-5, or
  /// 2e-2 where the result or some operand is bf16 or f16.
  void result(const std::string& name, const TensorView& view, double tolerance = 0.0);
  /// One that an op hands to the host.
  void result(const std::string& name, const std::vector<double>& values, double tolerance);

  struct Result {
    std::vector<double> values;
    double tolerance = 0.0;
  };
  [[nodiscard]] const std::map<std::string, Result>& results() const { return results_; }

 private:
  Context& context_;
  bool exact_;
  bool narrow_ = false;  ///< some operand is bf16 or f16
  std::map<std::string, Result> results_;
};

struct OpCase {
  std::string name;  ///< letters, digits and _
  std::function<void(OpRun&)> run;
};
inline void PrintTo(const OpCase& op, std::ostream* out) { *out << op.name; }

class DeviceOp : public testing::TestWithParam<OpCase> {};
inline std::string case_name(const testing::TestParamInfo<OpCase>& info) { return info.param.name; }

/// A case runs once after each of these; each sets up another order of threads and blocks where
/// that can be chosen. In emulated_device.cpp and real_device.cpp, of which an executable has one.
std::vector<std::function<void()>> orders();

}  // namespace memlong::ops::device_test
