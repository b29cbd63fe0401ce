#include "backbone/weights.h"

#include <array>
#include <string>

#include "ops/copy.h"

namespace memlong::backbone {
namespace {

/// Loads the tensors of one layer by their Hugging Face names.
class LayerLoader {
 public:
  LayerLoader(Context& context, const model::WeightStore& store, const model::ModelConfig& config,
              DType dtype, int64_t layer, ops::PackedStorage* storage)
      : context_(context),
        store_(store),
        config_(config),
        dtype_(dtype),
        storage_(storage),
        prefix_("model.layers." + std::to_string(layer) + ".") {}

  Tensor norm(const std::string& name) {
    return ops::convert(context_, store_.get(prefix_ + name + ".weight", {config_.hidden}),
                        DType::f32);
  }

  ops::PackedWeight pack(std::initializer_list<const char*> names, int64_t rows, int64_t columns) {
    std::vector<TensorView> parts;
    for (const char* name : names) {
      parts.push_back(store_.get(prefix_ + name + ".weight", {rows, columns}));
    }
    return ops::pack_weight(context_, parts, dtype_, storage_);
  }

  Tensor bias(bool wanted, std::initializer_list<const char*> names, int64_t rows) {
    if (!wanted) return {};
    Tensor all({static_cast<int64_t>(names.size()) * rows}, DType::f32, context_.device());
    int64_t at = 0;
    for (const char* name : names) {
      const Tensor part =
          ops::convert(context_, store_.get(prefix_ + name + ".bias", {rows}), DType::f32);
      ops::copy(context_, part, all.view().slice(0, at, at + rows));
      at += rows;
    }
    return all;
  }

 private:
  Context& context_;
  const model::WeightStore& store_;
  const model::ModelConfig& config_;
  DType dtype_;
  ops::PackedStorage* storage_;
  std::string prefix_;
};

BlockWeights load_block(Context& context, const model::WeightStore& store,
                        const model::ModelConfig& config, DType dtype, int64_t layer,
                        bool keys_values_only, ops::PackedStorage* storage) {
  LayerLoader load(context, store, config, dtype, layer, storage);
  const int64_t q_rows = config.heads * config.head_dim;
  const int64_t kv_rows = config.kv_heads * config.head_dim;
  BlockWeights block;
  block.input_norm = load.norm("input_layernorm");
  block.kv = load.pack({"self_attn.k_proj", "self_attn.v_proj"}, kv_rows, config.hidden);
  block.kv_bias = load.bias(config.qkv_bias, {"self_attn.k_proj", "self_attn.v_proj"}, kv_rows);
  if (keys_values_only) return block;
  block.post_norm = load.norm("post_attention_layernorm");
  block.q = load.pack({"self_attn.q_proj"}, q_rows, config.hidden);
  block.q_bias = load.bias(config.qkv_bias, {"self_attn.q_proj"}, q_rows);
  block.o = load.pack({"self_attn.o_proj"}, config.hidden, q_rows);
  block.o_bias = load.bias(config.o_bias, {"self_attn.o_proj"}, config.hidden);
  block.gate_up = load.pack({"mlp.gate_proj", "mlp.up_proj"}, config.ffn, config.hidden);
  block.gate_up_bias = load.bias(config.mlp_bias, {"mlp.gate_proj", "mlp.up_proj"}, config.ffn);
  block.down = load.pack({"mlp.down_proj"}, config.hidden, config.ffn);
  block.down_bias = load.bias(config.mlp_bias, {"mlp.down_proj"}, config.hidden);
  return block;
}

}  // namespace

std::shared_ptr<const LlamaWeights> load_weights(Context& context,
                                                 std::shared_ptr<const model::WeightStore> store,
                                                 const model::ModelConfig& config, DType dtype,
                                                 int64_t window, int64_t writer_layer,
                                                 ops::PackedStorage* storage) {
  auto weights = std::make_shared<LlamaWeights>();
  weights->config = config;
  weights->dtype = dtype;
  weights->store = store;
  const Shape table{config.vocab, config.hidden};
  weights->embedding = store->get("model.embed_tokens.weight", table);
  if (context.device() == Device::cuda) {
    weights->device_table = ops::convert(context, weights->embedding, weights->embedding.dtype());
  }
  weights->rope = ops::RopeTable(config.rope, config.head_dim, window).on(context);
  const bool writer_only = writer_layer >= 0;
  const int64_t layers = writer_only ? writer_layer + 1 : config.layers;
  for (int64_t layer = 0; layer < layers; ++layer) {
    weights->blocks.push_back(
        load_block(context, *store, config, dtype, layer, layer == writer_layer, storage));
  }
  if (!writer_only) {
    weights->final_norm =
        ops::convert(context, store->get("model.norm.weight", {config.hidden}), DType::f32);
    const TensorView head =
        config.tied_head ? weights->embedding : store->get("lm_head.weight", table);
    weights->head = ops::pack_weight(context, std::array{head}, dtype, storage);
  }
  context.synchronize();  // other contexts may use them at once
  return weights;
}

}  // namespace memlong::backbone
