#include "tensor/cuda/backend.h"
#include "tensor/cuda/runtime.h"

namespace memlong::cuda {

std::shared_ptr<void> make_recording_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream for recording");
  return {stream, [](void* made) { cudaStreamDestroy(static_cast<cudaStream_t>(made)); }};
}

/// Of this thread, calls that recording does not bear are errors; other threads go on as they like.
void begin_recording(void* stream) {
  check(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal),
        "start of recording");
}

std::shared_ptr<void> end_recording(void* stream) {
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph);
  cudaGraphExec_t made = nullptr;
  const cudaError_t status = ended == cudaSuccess ? cudaGraphInstantiate(&made, graph, 0) : ended;
  if (graph != nullptr) cudaGraphDestroy(graph);
  check(status, "work that was to be recorded");
  return {made, [](void* freed) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(freed)); }};
}

void launch_recorded(void* recorded, void* stream) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recorded), static_cast<cudaStream_t>(stream)),
        "launch of recorded work");
}

}  // namespace memlong::cuda
