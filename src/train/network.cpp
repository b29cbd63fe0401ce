#include "train/network.h"

#include <string>
#include <utility>

#include "common/error.h"
#include "ops/zero.h"
#include "train/network_impl.h"

namespace memlong::train {

Network::Network(Context& context, std::shared_ptr<const model::WeightStore> store,
                 const model::ModelConfig& config, const model::MemorySettings& settings,
                 const NetworkOptions& options)
    : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.store = std::move(store);
  impl.config = config;
  impl.memory_layer = settings.memory_layer;
  impl.window = settings.window;
  impl.options = options;
  if (options.dtype != DType::f32 && options.dtype != DType::bf16) {
    fail(ErrorKind::config, "training computes in f32 or bf16");
  }
  if (impl.memory_layer < 0 || impl.memory_layer >= config.layers) {
    fail(ErrorKind::config, "the model has no memory layer " + std::to_string(impl.memory_layer));
  }
  impl.reads.resize(static_cast<size_t>(config.layers));
  for (const int64_t layer : settings.reading_layers) {
    if (layer < impl.memory_layer || layer >= config.layers) {
      fail(ErrorKind::config, "layer " + std::to_string(layer) + " cannot read memory");
    }
    impl.reads[static_cast<size_t>(layer)] = true;
  }
  impl.rope = ops::RopeTable(config.rope, config.head_dim, impl.window).on(context);
  impl.weights = make_network_weights(context, *impl.store, config, impl.memory_layer, options);
  if (!impl.all()) {
    impl.writer = std::make_unique<backbone::Writer>(
        backbone::load_weights(context, impl.store, config, options.dtype, impl.window,
                               impl.memory_layer),
        impl.memory_layer);
    impl.cache = backbone::KvCache(context, config, impl.memory_layer, impl.window, options.dtype);
  }
  const auto layers = static_cast<size_t>(config.layers);
  impl.residual_buffers.resize(layers + 2);
  impl.saved_buffers.resize(layers + 1);
  impl.saved.resize(layers);
}

Network::~Network() = default;

std::vector<Parameter>& Network::parameters() { return impl_->weights.parameters; }

int64_t Network::parameter_count() const {
  int64_t total = 0;
  for (const Parameter& parameter : impl_->weights.parameters) {
    total += parameter.value.shape().elements();
  }
  return total;
}

void Network::refresh(Context& context) {
  impl_->weights.pack(context, impl_->memory_layer, impl_->options.part);
}

void Network::zero_gradients(Context& context) {
  for (const Parameter& parameter : impl_->weights.parameters) {
    ops::zero(context, parameter.gradient);
  }
}

LossSums Network::forward_backward(Context& context, const Batch& batch, float scale) {
  return impl_->pass(context, batch, scale, true);
}

LossSums Network::evaluate(Context& context, const Batch& batch) {
  return impl_->pass(context, batch, 0.0F, false);
}

WrittenMemory Network::written(size_t i) const {
  const Impl& impl = *impl_;
  const backbone::PackedSequence& part = impl.packed.parts.at(i);
  const TensorView heads = impl.raw_kv.slice(0, part.begin, part.end)
                               .split_last(impl.config.head_dim)
                               .permute({1, 0, 2});
  const int64_t groups = impl.config.kv_heads;
  return {Tensor::copy_of(heads.slice(0, 0, groups)),
          Tensor::copy_of(heads.slice(0, groups, 2 * groups))};
}

WrittenMemory Network::write(Context& context, std::span<const int32_t> ids) {
  Batch batch;
  batch.pasts.push_back({.ids = {ids.begin(), ids.end()}, .position = 0});
  impl_->write_pasts(context, batch);
  return written(0);
}

double Network::flops() const { return impl_->flops; }

}  // namespace memlong::train
