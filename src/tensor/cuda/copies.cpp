// Streams for copies beside those of the contexts, and events.
#include "tensor/cuda/backend.h"
#include "tensor/cuda/runtime.h"

namespace memlong::cuda {
namespace {

cudaStream_t stream_from(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_from(void* event) { return static_cast<cudaEvent_t>(event); }

}  // namespace

std::shared_ptr<void> make_copy_stream(int device_index) {
  activate(device_index);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream for copies");
  return {stream, [](void* made) {
            cudaStreamSynchronize(stream_from(made));  // its copies may use memory that goes now
            cudaStreamDestroy(stream_from(made));
          }};
}

void copy_async(void* to, const void* from, size_t bytes, void* stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_from(stream)), "copy");
}

std::shared_ptr<void> record_event(void* stream) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
  std::shared_ptr<void> owner(event, [](void* made) { cudaEventDestroy(event_from(made)); });
  check(cudaEventRecord(event, stream_from(stream)), "event");
  return owner;
}

void wait_for_event(void* stream, void* event) {
  check(cudaStreamWaitEvent(stream_from(stream), event_from(event), 0), "event");
}

void synchronize_event(void* event) { check(cudaEventSynchronize(event_from(event)), "copies"); }

}  // namespace memlong::cuda
