// Recording of work (stream capture) as the emulated runtime has it: one stream at a time. What is
// recorded is kept as functions, which a launch calls in their order. As on a device, a copy from
// the host keeps the address and reads it at each launch, memory may be asked for and freed
// meanwhile, and other streams do their work at once.
#pragma once

#include "support/cuda_emulation/include/cuda_api.h"

namespace cuda_emulation {

bool records(cudaStream_t stream);
/// For calls that wait for the stream: whether it records. The recording then fails.
bool refused_in_recording(cudaStream_t stream);
/// While true, no recording can be started, as on a device that cannot.
void refuse_recording(bool refuse);

}  // namespace cuda_emulation
