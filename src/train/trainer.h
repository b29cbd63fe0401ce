// The loop: batches, steps, evaluation, checkpoints, guards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensor/context.h"
#include "train/network.h"
#include "train/optimizer.h"
#include "train/source.h"

namespace memlong::train {

struct TrainerOptions {
  int64_t steps = 1000;
  int64_t accumulate = 1;        ///< batches a step
  int64_t evaluate_every = 200;  ///< and after the last step; 0: never
  int64_t evaluate_batches = 8;
  int64_t save_every = 200;  ///< 0: only at the end and when stopped
  int64_t keep = 2;          ///< checkpoints that stay
  double spike = 6.0;        ///< a gradient norm beyond spike x its running mean is skipped; 0: off
  int64_t give_up = 20;      ///< so many steps skipped in a row are an error
  /// Checkpoints go to out/checkpoint-<step>; empty: none are made.
  std::filesystem::path out = {};
  /// Of recipe, model and data; a checkpoint with another is refused.
  std::string fingerprint = {};
};

/// After each step.
struct StepReport {
  int64_t step = 0;  ///< steps done
  int64_t steps = 0;
  double loss = 0.0;  ///< weighted mean of the step
  double plain_loss = 0.0;
  int64_t answers = 0;
  int64_t exact_answers = 0;
  StepNorms norms;
  int64_t tokens = 0;  ///< of this step
  double seconds = 0.0;
  double flops = 0.0;
};

/// One set of held-out data. Its batches are those of the last step, whatever the step is: what a
/// schedule makes harder is as hard at every evaluation.
struct EvaluationSet {
  std::string name;
  std::unique_ptr<BatchSource> source;  ///< starts from its first state each time
};

struct EvaluationReport {
  int64_t step = 0;
  std::string name;
  LossSums with_memory;
  LossSums without_memory;
};

struct TrainerEvents {
  std::function<void(const StepReport&)> step;
  std::function<void(const EvaluationReport&)> evaluated;
  std::function<void(int64_t step, const std::filesystem::path& folder)> saved;
  std::function<void(const std::string& line)> warning;
  std::function<bool()> stop;  ///< asked after each step: save and return
};

/// Not thread-safe.
class Trainer {
 public:
  Trainer(Context& context, Network& network, BatchSource& source,
          std::vector<EvaluationSet> evaluations, const OptimizerOptions& optimizer,
          const TrainerOptions& options);
  ~Trainer();

  /// Goes on from the newest complete checkpoint in `out`; false when there is none. Errors:
  /// mismatch (another recipe or model), corrupt.
  bool resume();
  /// Steps until `steps` are done or a stop is asked for; true when all are done. Errors: usage,
  /// when `out` has checkpoints and was not resumed from; config, after `give_up` bad steps; those
  /// of its parts.
  bool run(const TrainerEvents& events);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace memlong::train
