#include "support/cuda_emulation/streams.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>

#include "support/cuda_emulation/emulation.h"
#include "support/cuda_emulation/recording.h"

/// What a stream was given, and how much of it is done.
struct EmulatedStream {
  bool late = false;
  uint64_t done = 0;
  std::deque<std::function<void()>> queue;
  uint64_t waited = 0;  ///< for so much work of blocking streams
};

/// A place in a late stream, or (`of` null) in the work of blocking streams. Streams may be gone.
struct EmulatedEvent {
  std::weak_ptr<EmulatedStream> of;
  uint64_t place = 0;
  uint64_t work = 0;
};

namespace cuda_emulation {
namespace {

uint64_t work_given = 0;
uint64_t work_waited = 0;  ///< so much of it the host has waited for

using Handle = std::shared_ptr<EmulatedStream>;

Handle* handle(cudaStream_t stream) { return reinterpret_cast<Handle*>(stream); }

EmulatedStream* stream_of(cudaStream_t stream) {
  return stream == nullptr ? nullptr : handle(stream)->get();
}

void run_until(EmulatedStream& stream, uint64_t place) {
  while (stream.done < place && !stream.queue.empty()) {
    const std::function<void()> work = std::move(stream.queue.front());
    stream.queue.pop_front();
    ++stream.done;
    work();
  }
}

void run_until(const EmulatedEvent& event) {
  if (const Handle stream = event.of.lock()) run_until(*stream, event.place);
}

}  // namespace

bool is_late(cudaStream_t stream) { return stream != nullptr && stream_of(stream)->late; }

void count_work() { ++work_given; }

bool work_unwaited() { return work_waited < work_given; }

cudaError_t copy_later(cudaStream_t stream, void* to, const void* from, size_t bytes) {
  EmulatedStream& late = *stream_of(stream);
  if (is_device_pointer(from) && late.waited < work_given) {
    report("a copy stream reads device memory and has not waited for what was queued before");
  }
  late.queue.emplace_back([=] {
    const DeviceAccess access;
    std::memcpy(to, from, bytes);
  });
  return cudaSuccess;
}

}  // namespace cuda_emulation

using cuda_emulation::Handle;

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  auto* made = new Handle(std::make_shared<EmulatedStream>());
  (*made)->late = flags == cudaStreamNonBlocking;
  *stream = reinterpret_cast<cudaStream_t>(made);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete cuda_emulation::handle(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (cuda_emulation::refused_in_recording(stream)) return cudaErrorStreamCaptureUnsupported;
  if (cuda_emulation::is_late(stream)) {
    cuda_emulation::run_until(*cuda_emulation::stream_of(stream), UINT64_MAX);
  } else {
    cuda_emulation::work_waited = cuda_emulation::work_given;
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {};
  if (cuda_emulation::is_late(stream)) {
    const Handle& late = *cuda_emulation::handle(stream);
    event->of = late;
    event->place = late->done + late->queue.size();
    event->work = late->waited;
  } else {
    event->work = cuda_emulation::work_given;
  }
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  cuda_emulation::run_until(*event);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (!cuda_emulation::is_late(stream)) return cudaEventSynchronize(event);
  EmulatedStream& late = *cuda_emulation::stream_of(stream);
  late.waited = std::max(late.waited, event->work);
  if (event->of.expired()) return cudaSuccess;
  late.queue.emplace_back([copy = *event] { cuda_emulation::run_until(copy); });
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  constexpr size_t kAlignment = 4096;
  *memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xFF, bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
