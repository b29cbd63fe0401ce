#include "sidenet/side_net.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"

namespace memlong::sidenet {

SideNet::SideNet(std::shared_ptr<const backbone::LlamaWeights> weights, int64_t memory_layer,
                 const std::vector<int64_t>& reading_layers)
    : weights_(std::move(weights)),
      memory_layer_(memory_layer),
      reads_(static_cast<size_t>(weights_->config.layers), false) {
  for (const int64_t layer : reading_layers) {
    MEMLONG_CHECK(layer >= memory_layer && layer < weights_->config.layers,
                  "a reading layer must be in [m, L)");
    reads_[static_cast<size_t>(layer)] = true;
  }
}

void SideNet::forward(Context& context, backbone::KvCache& cache, const SideNetCall& call) const {
  for (int64_t layer = memory_layer_; layer < weights_->config.layers; ++layer) {
    const bool reads = reads_[static_cast<size_t>(layer)];
    backbone::BlockCall block{
        .x = call.x, .layer = layer, .offset = call.offset, .position = call.position};
    if (reads) {
      block.memory = call.memory;
      block.probe = call.probe;
    }
    if (layer == memory_layer_) {
      block.raw_k = call.raw_k;
      block.raw_v = call.raw_v;
    }
    backbone::block_forward(context, *weights_, cache, block);
    if (call.observer != nullptr && *call.observer) (*call.observer)(layer + 1, call.x);
  }
}

void SideNet::forward_tokens(Context& context, std::span<const backbone::TokenPlace> tokens,
                             const TensorView& x) const {
  for (int64_t layer = memory_layer_; layer < weights_->config.layers; ++layer) {
    backbone::block_tokens(context, *weights_,
                           {.x = x,
                            .tokens = tokens,
                            .layer = layer,
                            .reads = reads_[static_cast<size_t>(layer)],
                            .keeps_raw = layer == memory_layer_});
  }
}

void SideNet::logits(Context& context, const TensorView& x, const TensorView& logits) const {
  const TensorView normed =
      context.scratch("side_net.normed", {x.dim(0), x.dim(1)}, weights_->dtype);
  ops::rms_norm(context, x, weights_->final_norm, weights_->config.rms_eps, normed);
  ops::matmul(context, normed, weights_->head, logits);
}

int64_t SideNet::reading_layer_count() const {
  return std::count(reads_.begin(), reads_.end(), true);
}

}  // namespace memlong::sidenet
