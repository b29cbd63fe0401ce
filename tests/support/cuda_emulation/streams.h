// Streams and events of the emulated runtime. A blocking stream does its work at once. A
// non-blocking one (for copies) keeps it until somebody waits for it, as a busy bus might: who does
// not wait sees what was there before, who reuses memory too early spoils the copy.
#pragma once

#include <cstddef>

#include "support/cuda_emulation/include/cuda_api.h"

namespace cuda_emulation {

/// Whether work on the stream is done late.
bool is_late(cudaStream_t stream);
/// Queues a copy. Reading device memory without having waited for what blocking streams were last
/// given to do is an error: it is named, and thrown.
cudaError_t copy_later(cudaStream_t stream, void* to, const void* from, size_t bytes);
/// Something was given to a blocking stream.
void count_work();
/// Whether that was after the host last waited for one.
bool work_unwaited();

}  // namespace cuda_emulation
