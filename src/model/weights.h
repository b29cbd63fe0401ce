// All tensors of a model folder by their Hugging Face names, with an adapter laid over them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/hash.h"
#include "model/config.h"
#include "model/tensor_file.h"
#include "tensor/tensor.h"

namespace memlong::model {

/// Tensors of `model.safetensors`, of the shards that `model.safetensors.index.json` names, or,
/// where there is neither, of `pytorch_model.bin` or the shards of `pytorch_model.bin.index.json`.
/// Views live as long as the store. Thread-safe for reading.
class WeightStore {
 public:
  /// Where the folder has a config.json, all tensors are checked against it. Errors: io, format.
  static WeightStore open(const std::filesystem::path& folder);
  /// The same of any kind of model: nothing is checked. Errors: io, format.
  static WeightStore open_unchecked(const std::filesystem::path& folder);
  /// Random weights of a shape (for benchmarks): N(0, 0.02), norms 1, of `dtype`.
  static WeightStore random(const ModelConfig& config, DType dtype, uint64_t seed);

  /// Lays an adapter over the base: the tensors of a safetensors or torch file (or of
  /// `adapter.safetensors`, `upper_layers.safetensors`, `model.safetensors` or `pytorch_model.bin`
  /// in a folder), or a PEFT folder, whose LoRA is merged in f32 and whose saved modules replace
  /// the base's. A tensor that changes the writer of memory layer `memory_layer`, or what the base
  /// does not have, or is of another shape, is refused (mismatch), naming it; then nothing is laid
  /// over. Errors of PEFT folders also: config, for other methods than LoRA.
  void overlay_upper(const std::filesystem::path& path, const ModelConfig& config,
                     int64_t memory_layer);

  /// Puts `tensor` in the place of the tensor of that name and shape. Errors: format.
  void replace(const std::string& name, Tensor tensor);

  [[nodiscard]] bool contains(const std::string& name) const;
  /// Errors: format, naming the missing tensor and the folder.
  [[nodiscard]] TensorView get(const std::string& name) const;
  /// The same, checked against the shape that the config asks for. Errors: format.
  [[nodiscard]] TensorView get(const std::string& name, const Shape& shape) const;
  [[nodiscard]] std::vector<std::string> names() const;  ///< sorted

  /// Every tensor that the config implies is here, in its shape and a float dtype, and no bias is
  /// here that the config does not speak of. Errors: format, naming tensor and file.
  void check(const ModelConfig& config) const;

 private:
  void add_file(const std::filesystem::path& path);
  void add_shards(const std::filesystem::path& index);

  std::string origin_;
  std::vector<std::shared_ptr<const TensorFile>> files_;
  std::vector<Tensor> owned_;
  std::map<std::string, TensorView> tensors_;
};

/// The tensors that a config implies, by their Hugging Face names: embedding, every layer's norms,
/// projections and biases, the final norm, and lm_head where it is not tied. In the model's order.
std::vector<std::pair<std::string, Shape>> tensor_shapes(const ModelConfig& config);

/// The names of the tensors that write memory: embedding, layers 0..m-1, and layer m's input norm,
/// k and v projection (with biases, where the base has them). Sorted.
std::vector<std::string> writer_tensor_names(const WeightStore& weights, int64_t memory_layer);

/// SHA-256 over the writer: its tensors (name, dtype, shape, bytes) and every number of the config
/// that its computation depends on. Changes when, and only when, stored K and V would.
Digest writer_hash(const ModelConfig& config, const WeightStore& weights, int64_t memory_layer);

}  // namespace memlong::model
