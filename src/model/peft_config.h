// What the adapter_config.json of a PEFT folder says of a LoRA. Used within this folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace memlong::model {

/// Which layers there are is left to the tensors' names; what else would change the network is
/// refused. Thread-safe for reading.
class PeftConfig {
 public:
  /// Errors: io, format, config: another method than LoRA, DoRA, biases, transposed weights, a base
  /// that the initialisation changed, ranks by a pattern that is not read, ... in one line.
  static PeftConfig read(const std::filesystem::path& folder);

  /// Of a layer such as "model.layers.5.self_attn.q_proj". Errors: config, when two patterns that
  /// match it say different things.
  [[nodiscard]] int64_t rank(const std::string& layer) const;
  /// What B A is multiplied by: alpha / rank, or alpha / sqrt(rank).
  [[nodiscard]] double scale(const std::string& layer) const;

 private:
  [[nodiscard]] double find(const std::map<std::string, double>& patterns, const char* key,
                            const std::string& layer, double otherwise) const;

  std::string origin_;
  int64_t rank_ = 0;
  double alpha_ = 0.0;
  bool root_scale_ = false;
  std::map<std::string, double> ranks_;
  std::map<std::string, double> alphas_;
};

}  // namespace memlong::model
