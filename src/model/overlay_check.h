// What an adapter may lay over a model. Used within this folder.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "model/weights.h"

namespace memlong::model {

/// Thread-safe for reading. Errors: mismatch, naming the adapter's file and tensor.
class OverlayCheck {
 public:
  /// `hint` is added to what is said of tensors that belong to the writer.
  OverlayCheck(const WeightStore& base, const ModelConfig& config, int64_t memory_layer,
               const std::filesystem::path& file, std::string hint = "");

  /// The shape of the base's tensor `target`, which the adapter's tensor `name` changes. Refused
  /// where the base has none, or where it belongs to the writer.
  [[nodiscard]] const Shape& upper_shape(const std::string& name, const std::string& target) const;
  /// `view` has `shape` and a float dtype.
  void tensor(const std::string& name, const TensorView& view, const Shape& shape) const;
  [[noreturn]] void refuse(const std::string& name, const std::string& why) const;

 private:
  std::string file_;
  std::string hint_;
  int64_t memory_layer_;
  std::set<std::string> writer_;
  std::map<std::string, Shape> shapes_;  ///< of what the base has
};

}  // namespace memlong::model
