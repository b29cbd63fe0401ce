#include "ops/device/op_run.h"
#include "ops/gemm.h"

namespace memlong::ops::device_test {
namespace {

struct Extents {
  int64_t m, n, depth;
};

std::string name_of(DType dtype, DType out, const GemmOptions& options, const Extents& e) {
  return std::string(dtype_name(dtype)) + "_" + std::string(dtype_name(out)) + "_" +
         (options.transpose_a ? "t" : "n") + (options.transpose_b ? "t" : "n") + "_" +
         std::to_string(e.m) + "x" + std::to_string(e.n) + "x" + std::to_string(e.depth) +
         (options.accumulate ? "_add" : "");
}

void product(OpRun& run, DType dtype, DType out_dtype, const GemmOptions& options,
             const Extents& e) {
  const Tensor a =
      run.random(options.transpose_a ? Shape{e.depth, e.m} : Shape{e.m, e.depth}, dtype, 1);
  const Tensor b =
      run.random(options.transpose_b ? Shape{e.n, e.depth} : Shape{e.depth, e.n}, dtype, 2);
  const Tensor out =
      options.accumulate ? run.random({e.m, e.n}, out_dtype, 3) : run.empty({e.m, e.n}, out_dtype);
  gemm(run.context(), a, b, out, options);
  run.result("out", out);
}

void strided(OpRun& run, DType dtype) {
  const Tensor wide_a = run.random({21, 90}, dtype, 4);
  const Tensor wide_b = run.random({21, 64}, dtype, 5);
  const Tensor wide_out = run.random({37, 60}, DType::f32, 6);
  gemm(run.context(), wide_a.view().slice(1, 31, 68), wide_b.view().slice(1, 17, 49),
       wide_out.view().slice(1, 21, 53), {.transpose_a = true, .accumulate = true});
  run.result("wide", wide_out);
}

/// One row of an operand may have any stride.
void single_rows(OpRun& run) {
  const Tensor a = run.random({1, 24}, DType::bf16, 7);
  const Tensor b = run.random({1, 40}, DType::bf16, 8);
  const TensorView row(b.view().raw(), b.dtype(), {1, 40}, {3, 1}, b.view().device());
  const Tensor out = run.empty({24, 40}, DType::f32);
  gemm(run.context(), a, row, out, {.transpose_a = true});
  run.result("out", out);
}

void no_depth(OpRun& run, DType dtype) {
  const DType type = run.dtype(dtype);
  const Tensor a({0, 3}, type, run.context().device());
  const Tensor b({0, 5}, type, run.context().device());
  const Tensor wide = run.random({3, 9}, dtype, 9);
  const Tensor sum = run.random({3, 5}, DType::f32, 10);
  gemm(run.context(), a, b, wide.view().slice(1, 2, 7), {.transpose_a = true});
  gemm(run.context(), a, b, sum, {.transpose_a = true, .accumulate = true});
  run.result("cleared", wide);
  run.result("left", sum);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const std::pair<DType, DType> types[] = {
      {DType::f32, DType::f32}, {DType::bf16, DType::f32}, {DType::bf16, DType::bf16}};
  for (const auto& [dtype, out] : types) {
    for (const int turned : {0, 1, 2, 3}) {
      for (const bool accumulate : {false, true}) {
        if (accumulate && out != DType::f32) continue;
        for (const Extents& e : {Extents{1, 1, 1}, Extents{3, 2, 1}, Extents{1, 40, 7},
                                 Extents{33, 1, 65}, Extents{16, 96, 300}}) {
          const GemmOptions options{(turned & 1) != 0, (turned & 2) != 0, accumulate};
          all.push_back({name_of(dtype, out, options, e), [dtype, out, options, e](OpRun& run) {
                           product(run, dtype, out, options, e);
                         }});
        }
      }
    }
  }
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string name(dtype_name(dtype));
    all.push_back({"strided_" + name, [dtype](OpRun& run) { strided(run, dtype); }});
    all.push_back({"no_depth_" + name, [dtype](OpRun& run) { no_depth(run, dtype); }});
  }
  all.push_back({"single_rows", single_rows});
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Gemm, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
