#include "support/cuda_emulation/recording.h"

#include <utility>
#include <vector>

#include "support/cuda_emulation/emulation.h"
#include "support/cuda_emulation/streams.h"

struct EmulatedGraph {
  std::vector<std::function<void()>> work;
};

namespace cuda_emulation {
namespace {

struct Recording {
  cudaStream_t stream = nullptr;  ///< null: nothing is recorded
  bool broken = false;            ///< something was called that cannot be recorded
  EmulatedGraph graph = {};
};

Recording& recording() {
  static Recording instance;
  return instance;
}

bool& refuses() {
  static bool all = false;
  return all;
}

}  // namespace

void refuse_recording(bool refuse) { refuses() = refuse; }

bool records(cudaStream_t stream) { return stream != nullptr && recording().stream == stream; }

bool refused_in_recording(cudaStream_t stream) {
  if (!records(stream)) return false;
  recording().broken = true;
  return true;
}

cudaError_t queue(cudaStream_t stream, std::function<void()> work) {
  if (records(stream)) {
    recording().graph.work.push_back(std::move(work));
    return recording().broken ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
  }
  work();
  return cudaSuccess;
}

}  // namespace cuda_emulation

using cuda_emulation::recording;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const bool refused = cuda_emulation::refuses() || recording().stream != nullptr;
  if (stream == nullptr || refused) return cudaErrorStreamCaptureUnsupported;
  recording() = {.stream = stream};
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const bool active = cuda_emulation::records(stream);
  *status = active ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!cuda_emulation::records(stream)) return cudaErrorInvalidValue;
  cuda_emulation::Recording done = std::exchange(recording(), {});
  if (done.broken) return cudaErrorStreamCaptureInvalidated;
  *graph = new EmulatedGraph(std::move(done.graph));
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t made) { return cudaGraphDestroy(made); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t made, cudaStream_t stream) {
  cuda_emulation::count_work();
  const cuda_emulation::DeviceAccess access;  // opened once for all
  for (const std::function<void()>& work : made->work) {
    if (const cudaError_t status = cuda_emulation::queue(stream, work); status != cudaSuccess) {
      return status;
    }
  }
  return cudaSuccess;
}
