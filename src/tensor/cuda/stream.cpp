#include "common/error.h"
#include "tensor/cuda/backend.h"
#include "tensor/cuda/runtime.h"

namespace memlong::cuda {

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // a failed launch must not be reported twice
  fail(ErrorKind::device, "CUDA: " + what + ": " + cudaGetErrorString(status));
}

/// The stream is a blocking one: in order with the legacy default stream, see backend.h.
std::shared_ptr<void> make_stream(int device_index) {
  std::string why;
  const int count = count_devices(why);
  if (count == 0) fail(ErrorKind::device, why + "; use --device cpu");
  if (device_index < 0 || device_index >= count) {
    fail(ErrorKind::device, "no CUDA device " + std::to_string(device_index) + ": there " +
                                (count == 1 ? "is 1" : "are " + std::to_string(count)) +
                                ", counted from 0");
  }
  activate(device_index);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "stream");
  return {stream, [](void* made) {
            // Memory that its work still uses may be freed next, which waits for living streams.
            cudaStreamSynchronize(static_cast<cudaStream_t>(made));
            cudaStreamDestroy(static_cast<cudaStream_t>(made));
          }};
}

void activate(int device_index) {
  check(cudaSetDevice(device_index), "device " + std::to_string(device_index));
}

bool kernels_overlap(int device_index) {
  constexpr int kFirstMajor = 9;
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_index),
        "compute capability");
  return major >= kFirstMajor;
}

void synchronize(void* stream, int device_index) {
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)),
        "device " + std::to_string(device_index) +
            " (CUDA_LAUNCH_BLOCKING=1 in the environment names the kernel)");
}

}  // namespace memlong::cuda
