// --device auto|cpu|cuda[:N]: from the word to a device that is there.
#pragma once

#include <optional>
#include <string>

#include "tensor/device.h"
#include "tensor/devices.h"

namespace memlong::tools {

/// What the word asks for.
struct DeviceRequest {
  bool automatic = false;  ///< "auto"
  Device device = Device::cpu;
  int index = 0;  ///< of cuda:N
};

/// Errors: usage for a word that is none of auto, cpu, cuda, cuda:N; device, when cuda is asked of
/// a build without it. Asks no driver.
DeviceRequest parse_device(const std::string& name);

struct DeviceChoice {
  Device device = Device::cpu;
  int index = 0;
  std::string warning = {};  ///< one line for the user; "": nothing to say
  bool expected = false;     ///< of the warning: there is no GPU that could have been used
  std::string name = {};     ///< "cpu", "cuda:0 (NVIDIA A100)"
};

/// Chooses among the devices that were found. `auto` takes the first GPU, and where there is none
/// the CPU, aloud where this build could have used one. Errors: device, when what was asked for by
/// name is not there.
DeviceChoice choose_device(const DeviceRequest& request, const CudaDevices& found);

/// Both for this build and this machine; asks the driver only where the answer can depend on it.
DeviceChoice choose_device(const std::string& name);

}  // namespace memlong::tools
