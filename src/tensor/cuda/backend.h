// What Tensor and Context ask of the CUDA runtime, without its headers. Only builds with CUDA
// define and call these functions. All work is queued on the legacy default stream: the contexts'
// streams are ordered with it, so that nothing here needs to wait and nothing can overtake it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "tensor/devices.h"

namespace memlong::cuda {

/// Uninitialised memory, 256-byte aligned, on the calling thread's device. Error{capacity} says
/// what was asked for, by `what`, and what is free.
std::shared_ptr<void> allocate(size_t bytes, const std::string& what);

/// Uninitialised memory of the host that is page-locked: the device reads and writes it by itself.
/// Error{capacity}.
std::shared_ptr<void> allocate_pinned(size_t bytes);

/// From now on the process gets at most that much at a time of a device's memory, what was freed
/// and is still held included. (The driver hands memory out in large pieces: up to one more may be
/// held.) Thread-safe.
void limit_memory(int device_index, size_t bytes);

/// What nothing uses goes back to the driver.
void release_unused(int device_index);

void set_zero(void* memory, size_t bytes);
/// `rows` pieces of `row` bytes that lie `pitch` bytes apart, put one after the other. Both on the
/// device.
void gather_rows(void* to, const void* from, size_t row, size_t pitch, size_t rows);

/// How many devices there are; where none, `why` says so in one line.
int count_devices(std::string& why);
CudaDevices list_devices();
/// 0 where the device does not say.
size_t free_bytes(int device_index);

/// A stream of that device, which becomes the calling thread's. Error{device} where there is none.
std::shared_ptr<void> make_stream(int device_index);
void activate(int device_index);
/// Whether kernels of one stream can overlap there (programmatic dependent launch).
bool kernels_overlap(int device_index);
/// Waits for what is queued on the stream.
void synchronize(void* stream, int device_index);

/// A stream of the calling thread's device on which work is recorded (tensor/graph.h). It is in no
/// order with the legacy default stream, which other threads may use meanwhile.
std::shared_ptr<void> make_recording_stream();
/// From here to end_recording() nothing that is queued on the stream is done.
void begin_recording(void* stream);
/// What was recorded, ready to be launched. Error{device} when something was called in between that
/// cannot be recorded. Recording is over in either case.
std::shared_ptr<void> end_recording(void* stream);
/// Queues the whole of it.
void launch_recorded(void* recorded, void* stream);

// For tensor/copy_queue.h. Streams for copies are in order with nothing but by events.

std::shared_ptr<void> make_copy_stream(int device_index);
/// As allocate(), there for what is queued on this stream; other streams must wait for that. Freed
/// behind the work of the contexts, which must have waited for what this stream does with it.
std::shared_ptr<void> allocate(size_t bytes, const std::string& what, void* stream);
/// Bytes between page-locked memory and the device's.
void copy_async(void* to, const void* from, size_t bytes, void* stream);
/// What is queued on the stream by now.
std::shared_ptr<void> record_event(void* stream);
/// What is queued on the stream later waits for the event.
void wait_for_event(void* stream, void* event);
void synchronize_event(void* event);

}  // namespace memlong::cuda
