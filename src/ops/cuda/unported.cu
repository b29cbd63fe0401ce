// The operators that have no CUDA kernel yet. Whoever writes one takes its lines out of here; with
// the last of them goes the file.
#include <string>

#include "common/error.h"
#include "ops/attention_kernels.h"

namespace memlong::ops {
namespace {

using View = const TensorView&;
constexpr Device kCuda = Device::cuda;

[[noreturn]] void no_kernel(const char* name) {
  fail(ErrorKind::device, std::string(name) + " has no CUDA kernel yet; use --device cpu");
}

}  // namespace

template <>
void attention_backward_kernel<kCuda>(Context&, std::span<const AttentionBackwardArgs>) {
  no_kernel("attention_backward");
}

}  // namespace memlong::ops
