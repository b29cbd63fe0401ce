// From gradients to new parameters: clipping, AdamW, Muon for matrices, the learning rate's course.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensor/context.h"
#include "train/parameter.h"

namespace memlong::train {

enum class OptimizerKind : uint8_t { adamw, muon };
enum class LrDecay : uint8_t { constant, linear, cosine };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  double lr = 3e-4;
  int64_t warmup = 100;  ///< step s < warmup has lr (s + 1) / warmup
  LrDecay decay = LrDecay::cosine;
  double lr_end = 0.1;  ///< share of lr at the last step
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;  ///< of matrices other than embedding, head and LoRA
  double momentum = 0.95;     ///< muon
  double clip = 1.0;          ///< largest norm of the whole gradient; 0: no clipping
};

/// The learning rate of step `step` (from 0) of `steps`.
double learning_rate(const OptimizerOptions& options, int64_t step, int64_t steps);

struct StepNorms {
  double gradient = 0.0;  ///< before clipping; not finite: the step was not taken
  double lr = 0.0;
  bool taken = false;
};

/// Muon takes matrices that are neither embedding, head nor LoRA; AdamW everything else (and
/// everything, with kind adamw). Not thread-safe.
class Optimizer {
 public:
  Optimizer(const std::vector<Parameter>& parameters, const OptimizerOptions& options);

  /// Gradients are multiplied by `scale` (1 / sum of loss weights), clipped, applied. `largest`: a
  /// gradient whose norm is beyond it (or not finite) changes nothing; 0: no limit.
  StepNorms step(Context& context, std::vector<Parameter>& parameters, double scale, int64_t step,
                 int64_t steps, double largest = 0.0);

  /// Its state as tensors for a checkpoint ("model.norm.weight.m", ...), where the parameters lie;
  /// and back, from main memory.
  [[nodiscard]] std::vector<std::pair<std::string, TensorView>> state() const;
  /// Errors: mismatch
  void restore(Context& context, const std::map<std::string, TensorView>& state);
  [[nodiscard]] int64_t steps_taken() const;
  void set_steps_taken(int64_t steps);

 private:
  struct Slot {
    bool muon = false;
    bool decay = false;
    Tensor m;  ///< muon: momentum
    Tensor v;  ///< empty with muon
    std::string name;
  };
  OptimizerOptions options_;
  std::vector<Slot> slots_;
  int64_t taken_ = 0;
};

}  // namespace memlong::train
