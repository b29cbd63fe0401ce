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
#include "engine/decoder.h"
#include "engine/loaded_model.h"
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
/// Where the context computes.
MemorySet random_memory(Context& context, const Network& network, int64_t tokens);
/// Normal random numbers where the context computes.
Tensor random_tensor(Context& context, const Shape& shape, DType dtype);

/// The network as the engine takes it: without tokenizer and chat template.
std::shared_ptr<engine::LoadedModel> network_model(const Network& network);

/// Forward passes through one window, each with the logits of its last row. They are done when a
/// call returns. Not thread-safe.
class Pass {
 public:
  Pass(Context& context, const Network& network);
  /// `ids` at window position `offset`.
  void run(std::span<const int32_t> ids, int64_t offset, const MemorySet& memory);
  /// What next() reads as memory from now on.
  void read_set(const MemorySet& memory);
  /// One token behind others, as an answer is decoded: on a GPU recorded once and launched.
  void next(int32_t id, int64_t offset);
  /// f32 [V], of the last call.
  [[nodiscard]] const Tensor& logits() const { return logits_; }

 private:
  Context& context_;
  const Network& network_;
  backbone::KvCache cache_;
  MemorySet set_;
  Tensor logits_;
  std::unique_ptr<engine::Decoder> decoder_;  ///< on a GPU
};

}  // namespace memlong::bench_tool
