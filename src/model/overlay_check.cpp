#include "model/overlay_check.h"

#include <utility>

#include "common/error.h"

namespace memlong::model {

OverlayCheck::OverlayCheck(const WeightStore& base, const ModelConfig& config, int64_t memory_layer,
                           const std::filesystem::path& file, std::string hint)
    : file_(file.string()), hint_(std::move(hint)), memory_layer_(memory_layer) {
  for (std::string& name : writer_tensor_names(base, memory_layer)) writer_.insert(std::move(name));
  for (auto& [name, shape] : tensor_shapes(config)) {
    if (base.contains(name)) shapes_.emplace(std::move(name), shape);
  }
}

const Shape& OverlayCheck::upper_shape(const std::string& name, const std::string& target) const {
  if (writer_.contains(target)) {
    refuse(name, "belongs to the writer of memory layer " + std::to_string(memory_layer_) +
                     ", which an adapter must not change" + hint_);
  }
  const auto known = shapes_.find(target);
  if (known == shapes_.end()) refuse(name, "is not in the model");
  return known->second;
}

void OverlayCheck::tensor(const std::string& name, const TensorView& view,
                          const Shape& shape) const {
  if (view.shape() != shape) {
    refuse(name, "has shape " + view.shape().to_string() + "; the model's is " + shape.to_string());
  }
  if (!is_float(view.dtype())) refuse(name, "is not f32, f16 or bf16");
}

void OverlayCheck::refuse(const std::string& name, const std::string& why) const {
  fail(ErrorKind::mismatch, "adapter " + file_ + ": tensor " + name + " " + why);
}

}  // namespace memlong::model
