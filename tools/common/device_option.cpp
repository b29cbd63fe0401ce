#include "tools/common/device_option.h"

#include "common/error.h"
#include "ops/gpu_library.h"

namespace memlong::tools {
namespace {

std::string full_name(const CudaDevice& device) {
  return "cuda:" + std::to_string(device.index) + " (" + device.name + ")";
}

DeviceChoice choose_automatically(const CudaDevices& found) {
  if (found.devices.empty()) {
    return {.warning = "computing on the CPU: " + found.why_none,
            .expected = found.no_driver,
            .name = "cpu"};
  }
  const CudaDevice& first = found.devices.front();
  return {.device = Device::cuda, .index = first.index, .name = full_name(first)};
}

}  // namespace

DeviceRequest parse_device(const std::string& name) {
  const bool numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != "auto" && name != "cpu" && name != "cuda" && !numbered) {
    fail(ErrorKind::usage, "--device: '" + name + "' is none of auto, cpu, cuda, cuda:N");
  }
  if (name == "auto") return {.automatic = true};
  if (name == "cpu") return {};
  if (!kHasCuda) {
    fail(ErrorKind::device, "--device " + name +
                                ": this build has no CUDA support; use --device cpu, or build on a "
                                "machine with the CUDA toolkit");
  }
  return {.device = Device::cuda, .index = numbered ? std::stoi(name.substr(5)) : 0};
}

DeviceChoice choose_device(const DeviceRequest& request, const CudaDevices& found) {
  if (request.automatic) return choose_automatically(found);
  if (request.device == Device::cpu) return {.name = "cpu"};
  const std::string asked = "--device cuda:" + std::to_string(request.index) + ": ";
  if (found.devices.empty()) {
    fail(ErrorKind::device, asked + found.why_none + "; use --device cpu");
  }
  for (const CudaDevice& device : found.devices) {
    if (device.index != request.index) continue;
    return {.device = Device::cuda, .index = device.index, .name = full_name(device)};
  }
  std::string list;
  for (const CudaDevice& device : found.devices) {
    list += (list.empty() ? "" : ", ") + full_name(device);
  }
  fail(ErrorKind::device, asked + "there is no such device; there is " + list);
}

DeviceChoice choose_device(const std::string& name) {
  const DeviceRequest request = parse_device(name);
  if (!kHasCuda || (!request.automatic && request.device == Device::cpu)) return {.name = "cpu"};
  CudaDevices found = cuda_devices();
  if (!found.devices.empty()) {
    const std::string missing = ops::why_no_gpu_library();
    if (!missing.empty()) found = {.devices = {}, .why_none = missing};
  }
  return choose_device(request, found);
}

}  // namespace memlong::tools
