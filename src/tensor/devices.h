// The GPUs of this machine, for choosing one and for saying why there is none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace memlong {

struct CudaDevice {
  int index = 0;
  std::string name;  ///< "NVIDIA H100 80GB HBM3"
  size_t total_bytes = 0;
  int capability = 0;  ///< 80 is compute capability 8.0
  int multiprocessors = 0;
  size_t block_shared_bytes = 0;  ///< shared memory that one block can have
};

struct CudaDevices {
  std::vector<CudaDevice> devices;
  bool no_driver = false;  ///< nobody expects a GPU of this machine
  std::string why_none;    ///< one line where `devices` is empty: "no NVIDIA driver is installed"
};

/// Asks the driver, each time anew. Never fails: without CUDA in the build, a driver or a device it
/// says so in `why_none`. Nothing is made on any device. Thread-safe.
CudaDevices cuda_devices();

/// Of a device that this process computes on: asking makes it one of those, which takes some of its
/// memory. 0 where it does not say. Leaves the calling thread's device as it was. Thread-safe.
size_t free_device_bytes(int device_index);

/// Gives the driver back what freed tensors of this process still hold of a device's memory, as far
/// as the work that used them is done. Without CUDA it does nothing. Thread-safe.
void release_unused_memory(int device_index);

}  // namespace memlong
