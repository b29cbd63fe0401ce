// The network that is measured: of a model folder, or random weights of a shape.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backbone/kv_cache.h"
#include "backbone/weights.h"
#include "backbone/writer.h"
#include "model/memory_settings.h"
#include "sidenet/side_net.h"
#include "tensor/context.h"
#include "tools/common/model_options.h"

namespace memlong::bench_tool {

struct Network {
  std::string name;
  bool random = false;  ///< weights of a shape, not of a model
  model::ModelConfig config;
  model::MemorySettings settings;
  int64_t window = 0;  ///< longest window that it can run
  std::shared_ptr<const backbone::LlamaWeights> weights;
  std::shared_ptr<const backbone::Writer> writer;
  std::shared_ptr<const sidenet::SideNet> side_net;
};

/// `window`: tokens that must fit, besides the settings' own window. Layers of a shape are packed
/// one by one, so that never more than one layer is held twice; all of them hold the same numbers,
/// each in memory of its own. Errors: those of loading; usage.
Network open_network(Context& context, const tools::CommonOptions& common, const std::string& shape,
                     int64_t window);

/// As many tokens, always the same ones.
std::vector<int32_t> random_ids(const Network& network, int64_t count);

/// Keys and values that a reading layer reads as memory: [G, M, D] random.
struct MemorySet {
  Tensor k;
  Tensor v;
};
MemorySet random_memory(const Network& network, int64_t tokens);

/// One forward pass of `ids` at window position `offset`, with the logits of the last row.
/// Not thread-safe.
class Pass {
 public:
  Pass(Context& context, const Network& network);
  void run(std::span<const int32_t> ids, int64_t offset, const MemorySet& memory);

 private:
  Context& context_;
  const Network& network_;
  backbone::KvCache cache_;
};

}  // namespace memlong::bench_tool
