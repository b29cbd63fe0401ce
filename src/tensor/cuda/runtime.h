// The CUDA runtime as the files in cuda/ folders use it: a context's stream, errors, copies.
#pragma once

#include <cuda_runtime.h>
#include <string>

#include "tensor/context.h"

namespace memlong::cuda {

/// Error{device} unless the call succeeded: "CUDA: WHAT: an illegal memory access was encountered".
void check(cudaError_t status, const std::string& what);

inline cudaStream_t stream_of(const Context& context) {
  return static_cast<cudaStream_t>(context.stream());
}

/// Bytes between host and device, or on the device, queued on the context's stream. From pageable
/// host memory the source may be reused at once; from pinned memory after synchronize(). To the
/// host: call synchronize() before reading. Error{device} where the stream records and one side is
/// the host's: CUDA would keep the address and read it at each launch.
void copy_bytes(Context& context, void* to, const void* from, size_t bytes);

/// While this thread records work: Error{device} "WHAT while work is recorded", and the recording
/// fails.
void refuse_in_recording(const char* what);
/// The same for who may not throw.
void break_recording() noexcept;

}  // namespace memlong::cuda
