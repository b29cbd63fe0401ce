// Plain loops for what cuBLASLt does. They only know what the call says, as the library does.
#include "ops/cuda/gemm_library.h"

#include <algorithm>
#include <vector>

#include "ops/gemm_kernels.h"
#include "support/cuda_emulation/emulation.h"
#include "support/cuda_emulation/include/cuda_api.h"

namespace memlong::ops {
namespace {

void check(const GemmMatrix& matrix, size_t element, const char* name) {
  const bool sound = matrix.rows > 0 && matrix.columns > 0 && matrix.leading >= matrix.rows;
  const auto address = reinterpret_cast<uintptr_t>(matrix.data);
  if (!sound || address % element != 0 || !cuda_emulation::is_device_pointer(matrix.data)) {
    cuda_emulation::report(std::string("matrix product: the library would not take ") + name);
  }
}

/// op(matrix)[row, column]
template <class T>
float element(const GemmMatrix& matrix, int64_t row, int64_t column) {
  const int64_t at =
      matrix.transposed ? row * matrix.leading + column : column * matrix.leading + row;
  return static_cast<float>(static_cast<const T*>(matrix.data)[at]);
}

/// Where the library might add no bias, this one does not.
bool adds_no_bias(const GemmCall& call, size_t element) {
  const auto narrow = [&](const GemmMatrix& m) {
    return reinterpret_cast<uintptr_t>(m.data) % 16 != 0 || m.leading * element % 16 != 0;
  };
  return call.out.rows == 1 || call.out.columns == 1 || narrow(call.left) || narrow(call.right);
}

/// Each element is a sum in the order of depth; the elements of a column are added up side by side.
template <class In, class Out>
void multiply(const GemmCall& call) {
  const int64_t depth = call.left.transposed ? call.left.rows : call.left.columns;
  const int64_t rows = call.out.rows;
  std::vector<float> left(static_cast<size_t>(depth * rows));  // [depth, rows]
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t row = 0; row < rows; ++row) {
      left[static_cast<size_t>(k * rows + row)] = element<In>(call.left, row, k);
    }
  }
  std::vector<float> sums(static_cast<size_t>(rows));
  for (int64_t column = 0; column < call.out.columns; ++column) {
    std::ranges::fill(sums, 0.0F);
    for (int64_t k = 0; k < depth; ++k) {
      const float factor = element<In>(call.right, k, column);
      const float* from = left.data() + k * rows;
      for (int64_t row = 0; row < rows; ++row) sums[static_cast<size_t>(row)] += from[row] * factor;
    }
    auto* out = static_cast<Out*>(call.out.data) + column * call.out.leading;
    for (int64_t row = 0; row < rows; ++row) {
      float sum = sums[static_cast<size_t>(row)];
      if (call.bias != nullptr) sum += call.bias[row];
      // What is not added to is not read: it may be NaN.
      if (call.accumulate) sum += static_cast<float>(out[row]);
      out[row] = static_cast<Out>(sum);
    }
  }
}

}  // namespace

void load_gemm_library() {}

bool library_gemm(Context& context, const GemmCall& given) {
  GemmCall call = given;
  const size_t in = call.dtype == DType::f32 ? sizeof(float) : sizeof(bf16);
  const size_t out = call.out_dtype == DType::f32 ? sizeof(float) : sizeof(bf16);
  check(call.left, in, "the left matrix");
  check(call.right, in, "the right matrix");
  check(call.out, out, "the result");
  const auto extent = [](const GemmMatrix& m, bool first) {
    return first != m.transposed ? m.rows : m.columns;
  };
  if (extent(call.left, true) != call.out.rows || extent(call.right, false) != call.out.columns ||
      extent(call.left, false) != extent(call.right, true) || call.out.transposed) {
    cuda_emulation::report("matrix product: the shapes do not fit");
  }
  if (call.bias != nullptr && call.out_dtype != DType::f32) {
    cuda_emulation::report("matrix product: a bias and a narrow result");
  }
  if (reinterpret_cast<uintptr_t>(call.bias) % 16 != 0) {
    cuda_emulation::report("matrix product: a bias that is not on 16 bytes");
  }
  const bool bias_apart = call.bias != nullptr && adds_no_bias(call, in);
  if (bias_apart) call.bias = nullptr;
  const auto stream = static_cast<cudaStream_t>(context.stream());
  const cudaError_t queued = cuda_emulation::queue(stream, [call] {
    const cuda_emulation::DeviceAccess access;
    if (call.dtype == DType::f32) {
      multiply<float, float>(call);
    } else if (call.out_dtype == DType::f32) {
      multiply<bf16, float>(call);
    } else {
      multiply<bf16, bf16>(call);
    }
    cuda_emulation::check_margins();
  });
  if (queued != cudaSuccess) cuda_emulation::report("matrix product: not queued");
  return !bias_apart;
}

}  // namespace memlong::ops
