// Recording of work (stream capture) as the emulated runtime has it: one stream at a time. What is
// recorded is kept as functions, which a launch calls in their order.
#pragma once

#include "support/cuda_emulation/include/cuda_api.h"

namespace cuda_emulation {

bool records(cudaStream_t stream);
/// For calls that wait, allocate, free, or look at the host's memory: whether some stream records,
/// whose recording then fails. (A device bears some of them; memlong's recordings do without.)
bool refused_in_recording();
/// While true, no recording can be started, as on a device that cannot.
void refuse_recording(bool refuse);

}  // namespace cuda_emulation
