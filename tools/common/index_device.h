// --index-device auto|cpu|cuda[:N]: where a bank is searched.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "retriever/faiss_gpu.h"
#include "tools/common/device_option.h"
#include "tools/common/talk_options.h"

namespace memlong::tools {

struct IndexDeviceRequest {
  bool automatic = false;  ///< "auto": where the network computes
  std::optional<int> gpu;  ///< of cuda:N; none: the processor
};

/// Errors: usage for a word that is none of auto, cpu, cuda, cuda:N.
IndexDeviceRequest parse_index_device(const std::string& name);

struct IndexDeviceChoice {
  std::shared_ptr<retriever::SearchDevice> device;  ///< null: the processor
  std::string warning = {};                         ///< one line for the user; "": nothing to say
};

/// `auto` follows the network to its GPU, and stays on the processor, aloud, where that GPU cannot
/// search; a graph is always searched by the processor. Errors: device, where a GPU that was asked
/// for by name cannot search; usage.
IndexDeviceChoice choose_index_device(
    const TalkOptions& options, const DeviceChoice& network,
    const retriever::OpenSearchDevice& open = retriever::open_faiss_gpu);

}  // namespace memlong::tools
