#include "retriever/encoder_weights.h"

#include <array>
#include <bit>
#include <string>
#include <utility>

#include "common/error.h"
#include "ops/copy.h"

namespace memlong::retriever {
namespace {

/// The tensors that are read, by their names without a prefix.
class EncoderTensors {
 public:
  EncoderTensors(const model::WeightStore& store, const model::EncoderConfig& config)
      : store_(store), config_(config) {
    const std::string words = "embeddings.word_embeddings.weight";
    for (const char* prefix : {"bert.", "roberta."}) {
      if (!store.contains(words) && store.contains(prefix + words)) prefix_ = prefix;
    }
  }

  /// Errors: format, where it is missing, of another shape, or no float.
  [[nodiscard]] TensorView get(const std::string& name, const Shape& shape) const {
    const TensorView view = store_.get(prefix_ + name, shape);
    if (!is_float(view.dtype())) {
      fail(ErrorKind::format, "the encoder's tensor " + prefix_ + name + " is " +
                                  std::string(dtype_name(view.dtype())) + ", not f32, f16 or bf16");
    }
    return view;
  }

  /// Calls fn(name, tensor) for all of them, in one order.
  template <class Fn>
  void for_each(Fn fn) const {
    const auto visit = [&](const std::string& name, const Shape& shape) {
      fn(name, get(name, shape));
    };
    const auto linear = [&](const std::string& name, int64_t rows, int64_t columns) {
      visit(name + ".weight", {rows, columns});
      visit(name + ".bias", {rows});
    };
    const auto norm = [&](const std::string& name) {
      visit(name + ".weight", {config_.hidden});
      visit(name + ".bias", {config_.hidden});
    };
    const int64_t width = config_.hidden;
    visit("embeddings.word_embeddings.weight", {config_.vocab, width});
    visit("embeddings.position_embeddings.weight", {config_.positions, width});
    visit("embeddings.token_type_embeddings.weight", {config_.token_types, width});
    norm("embeddings.LayerNorm");
    for (int64_t i = 0; i < config_.layers; ++i) {
      const std::string layer = "encoder.layer." + std::to_string(i) + ".";
      for (const char* part : {"query", "key", "value"}) {
        linear(layer + "attention.self." + part, width, width);
      }
      linear(layer + "attention.output.dense", width, width);
      norm(layer + "attention.output.LayerNorm");
      linear(layer + "intermediate.dense", config_.ffn, width);
      linear(layer + "output.dense", width, config_.ffn);
      norm(layer + "output.LayerNorm");
    }
  }

 private:
  const model::WeightStore& store_;
  const model::EncoderConfig& config_;
  std::string prefix_;
};

/// Makes what the network computes with.
class EncoderLoader {
 public:
  EncoderLoader(Context& context, const EncoderTensors& tensors, const EncoderWeights& weights)
      : context_(context), tensors_(tensors), config_(weights.config), dtype_(weights.dtype) {}

  [[nodiscard]] EncoderNorm norm(const std::string& name) const {
    return {vector(name + ".weight", config_.hidden), vector(name + ".bias", config_.hidden)};
  }

  [[nodiscard]] EncoderLayer layer(int64_t index) const {
    const std::string name = "encoder.layer." + std::to_string(index) + ".";
    const std::string self = name + "attention.self.";
    const int64_t width = config_.hidden;
    const std::array<std::string, 3> parts = {self + "query", self + "key", self + "value"};
    EncoderLayer layer;
    layer.qkv = pack(parts, width, width);
    layer.qkv_bias = Tensor({3 * width}, DType::f32);
    for (int64_t i = 0; i < 3; ++i) {
      ops::copy(context_, vector(parts[static_cast<size_t>(i)] + ".bias", width),
                layer.qkv_bias.view().slice(0, i * width, (i + 1) * width));
    }
    layer.out = pack({{name + "attention.output.dense"}}, width, width);
    layer.out_bias = vector(name + "attention.output.dense.bias", width);
    layer.attention_norm = norm(name + "attention.output.LayerNorm");
    layer.up = pack({{name + "intermediate.dense"}}, config_.ffn, width);
    layer.up_bias = vector(name + "intermediate.dense.bias", config_.ffn);
    layer.down = pack({{name + "output.dense"}}, width, config_.ffn);
    layer.down_bias = vector(name + "output.dense.bias", width);
    layer.output_norm = norm(name + "output.LayerNorm");
    return layer;
  }

  /// A text's tokens are all of the first type: its row belongs to each position.
  [[nodiscard]] Tensor places() const {
    const int64_t width = config_.hidden;
    const TensorView table =
        tensors_.get("embeddings.position_embeddings.weight", {config_.positions, width});
    const TensorView types =
        tensors_.get("embeddings.token_type_embeddings.weight", {config_.token_types, width});
    Tensor sum = ops::convert(context_, table, DType::f32);
    const Tensor type = ops::convert(context_, types.slice(0, 0, 1), DType::f32);
    for (int64_t i = 0; i < sum.view().elements(); ++i) {
      sum.data<float>()[i] += type.data<float>()[i % width];
    }
    return sum;
  }

 private:
  [[nodiscard]] Tensor vector(const std::string& name, int64_t size) const {
    return ops::convert(context_, tensors_.get(name, {size}), DType::f32);
  }
  [[nodiscard]] ops::PackedWeight pack(std::span<const std::string> names, int64_t rows,
                                       int64_t columns) const {
    std::vector<TensorView> parts;
    for (const std::string& name : names) {
      parts.push_back(tensors_.get(name + ".weight", {rows, columns}));
    }
    return ops::pack_weight(context_, parts, dtype_);
  }

  Context& context_;
  const EncoderTensors& tensors_;
  const model::EncoderConfig& config_;
  DType dtype_;
};

}  // namespace

EncoderWeights load_encoder_weights(Context& context, const std::filesystem::path& folder,
                                    const model::EncoderConfig& config, DType dtype) {
  EncoderWeights weights;
  weights.config = config;
  weights.dtype = dtype;
  weights.store = std::make_shared<model::WeightStore>(model::WeightStore::open_unchecked(folder));
  const EncoderTensors tensors(*weights.store, config);
  tensors.for_each(
      [](const std::string&, const TensorView&) {});  // all there, before any is packed
  const EncoderLoader load(context, tensors, weights);
  weights.words = tensors.get("embeddings.word_embeddings.weight", {config.vocab, config.hidden});
  weights.places = load.places();
  weights.first_norm = load.norm("embeddings.LayerNorm");
  for (int64_t i = 0; i < config.layers; ++i) weights.layers.push_back(load.layer(i));
  return weights;
}

Digest encoder_weights_hash(const EncoderWeights& weights) {
  const model::EncoderConfig& config = weights.config;
  Sha256 hash;
  hash.update("memlong encoder weights 1\n");
  hash.update(std::to_string(config.heads) + " " + std::to_string(config.first_position) + " " +
              std::to_string(std::bit_cast<uint32_t>(config.norm_eps)) + "\n");
  EncoderTensors(*weights.store, config)
      .for_each([&](const std::string& name, const TensorView& x) {
        hash.update(name + " " + std::string(dtype_name(x.dtype())) + " " + x.shape().to_string() +
                    "\n");
        hash.update(std::span(static_cast<const std::byte*>(x.raw()), x.bytes()));
      });
  return hash.finish();
}

}  // namespace memlong::retriever
