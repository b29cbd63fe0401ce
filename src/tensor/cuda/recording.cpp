#include <utility>

#include "common/error.h"
#include "tensor/cuda/backend.h"
#include "tensor/cuda/runtime.h"

namespace memlong::cuda {
namespace {

/// CUDA bears many calls between begin and end that would do their work at once, on other streams.
/// What was recorded would not do it again, so that they are refused here.
struct Recording {
  bool on = false;
  bool broken = false;
};
thread_local Recording recording;

}  // namespace

void break_recording() noexcept { recording.broken = recording.on; }

void refuse_in_recording(const char* what) {
  if (!recording.on) return;
  break_recording();
  fail(ErrorKind::device, std::string(what) + " while work is recorded");
}

std::shared_ptr<void> make_recording_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream for recording");
  return {stream, [](void* made) { cudaStreamDestroy(static_cast<cudaStream_t>(made)); }};
}

/// Of this thread, calls that recording does not bear are errors; other threads go on as they like.
void begin_recording(void* stream) {
  refuse_in_recording("another recording");
  check(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal),
        "start of recording");
  recording = {.on = true};
}

std::shared_ptr<void> end_recording(void* stream) {
  const bool broken = std::exchange(recording, {}).broken;
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph);
  cudaGraphExec_t made = nullptr;
  const bool whole = ended == cudaSuccess && !broken;
  const cudaError_t status = whole ? cudaGraphInstantiate(&made, graph, 0) : ended;
  if (graph != nullptr) cudaGraphDestroy(graph);
  check(status, "work that was to be recorded");
  if (broken) fail(ErrorKind::device, "memory came or went while work was recorded");
  return {made, [](void* freed) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(freed)); }};
}

void launch_recorded(void* recorded, void* stream) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recorded), static_cast<cudaStream_t>(stream)),
        "launch of recorded work");
}

}  // namespace memlong::cuda
