// The one way to launch a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

struct LaunchShape {
  dim3 grid;                ///< y and z at most 65535
  dim3 block;               ///< whole warps
  size_t shared_bytes = 0;  ///< for dynamic_shared()
};

/// Lets the kernel have that much dynamic shared memory. Error{device} where the device has less.
void allow_shared_memory(const Context& context, const char* name, const void* kernel,
                         size_t bytes);
/// Error{device} "CUDA: kernel rms_norm, grid [33, 1, 1], ...: invalid configuration argument".
void check_launch(const char* name, const LaunchShape& shape, cudaError_t status);

/// Whether the kernels of this program wait where they are told to: code that was compiled for
/// older devices, and is translated for this one when the program starts, does not.
bool kernels_wait(const void* any_kernel);

/// What launch() and launch_early() do.
template <class... Params, class... Args>
void launch_kernel(const Context& context, const char* name, const LaunchShape& shape, bool early,
                   void (*kernel)(Params...), const Args&... args) {
  static_assert(sizeof...(Params) == sizeof...(Args), "the kernel takes other arguments");
  context.activate();
  allow_shared_memory(context, name, reinterpret_cast<const void*>(kernel), shape.shared_bytes);
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.attrs = &overlap;
  config.numAttrs = early ? 1 : 0;
  config.stream = static_cast<cudaStream_t>(context.stream());
  check_launch(name, shape, cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...));
}

/// Queues the kernel on the context's stream; `name` is for messages. What goes wrong while it runs
/// is an error of a later call, at the latest of Context::synchronize().
template <class... Params, class... Args>
void launch(const Context& context, const char* name, const LaunchShape& shape,
            void (*kernel)(Params...), const Args&... args) {
  launch_kernel(context, name, shape, false, kernel, args...);
}

/// The same for a kernel each thread of which calls device::wait_for_earlier() before it looks at
/// anything that other kernels write, or writes itself: it may start while the one before it still
/// runs, which saves what lies between two kernels of a stream.
template <class... Params, class... Args>
void launch_early(const Context& context, const char* name, const LaunchShape& shape,
                  void (*kernel)(Params...), const Args&... args) {
  const bool early = context.overlaps() && kernels_wait(reinterpret_cast<const void*>(kernel));
  launch_kernel(context, name, shape, early, kernel, args...);
}

/// How many pieces of `unit` cover `count`, as a grid's extent.
inline unsigned blocks_for(int64_t count, int64_t unit) {
  return static_cast<unsigned>((count + unit - 1) / unit);
}

/// Every row of x starts on a multiple of `bytes`, and so does what follows its last full group:
/// loads of that size need no more than a count of columns that they divide.
bool rows_aligned(const TensorView& x, int64_t bytes);

}  // namespace memlong::ops
