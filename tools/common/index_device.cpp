#include "tools/common/index_device.h"

#include <utility>

#include "common/error.h"
#include "tools/common/size.h"

namespace memlong::tools {

IndexDeviceRequest parse_index_device(const std::string& name) {
  if (name == "auto") return {.automatic = true, .gpu = {}};
  if (name == "cpu") return {};
  if (name == "cuda") return {.gpu = 0};
  const bool numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (!numbered) {
    fail(ErrorKind::usage, "--index-device: '" + name + "' is none of auto, cpu, cuda, cuda:N");
  }
  return {.gpu = std::stoi(name.substr(5))};
}

IndexDeviceChoice choose_index_device(const TalkOptions& options, const DeviceChoice& network,
                                      const retriever::OpenSearchDevice& open) {
  const IndexDeviceRequest request = parse_index_device(options.index_device);
  retriever::FaissGpuOptions wanted{.half = options.index_half};
  if (!options.index_memory.empty()) {
    wanted.bytes = parse_size(options.index_memory, "--index-memory");
  }
  if (options.index != "flat") return {};
  if (request.gpu) {
    wanted.device = *request.gpu;
    try {
      return {.device = open(wanted)};
    } catch (const Error& error) {
      fail(error.kind(), "--index-device " + options.index_device + ": " + error.what() +
                             "; use --index-device cpu");
    }
  }
  if (!request.automatic || network.device != Device::cuda) return {};
  wanted.device = network.index;
  try {
    return {.device = open(wanted)};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device) throw;
    return {.device = nullptr,
            .warning = "searching the bank on the CPU: " + std::string(error.what())};
  }
}

}  // namespace memlong::tools
