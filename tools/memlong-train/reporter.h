// What a run says of itself: progress, log.jsonl, TensorBoard events, the summary at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "tools/common/progress.h"
#include "tools/memlong-train/arguments.h"
#include "tools/memlong-train/run_log.h"
#include "train/event_file.h"
#include "train/trainer.h"

namespace memlong::train_tool {

/// Not thread-safe.
class Reporter {
 public:
  /// `step`: steps that earlier processes did. `peak`: operations a second of the machine's
  /// matmul; 0: not known.
  Reporter(const Arguments& arguments, int64_t step, double peak);

  /// To be called by a Trainer, for as long as this object lives.
  train::TrainerEvents events();
  void say(const std::string& line) { progress_.print_above(line); }
  void finish() { progress_.finish(); }

  /// After the run: steps, tokens, seconds, last losses, evaluations.
  [[nodiscard]] nlohmann::ordered_json summary() const;

 private:
  void add(const train::StepReport& report);
  void add(const train::EvaluationReport& report);
  void add_events(const train::StepReport& report);
  [[nodiscard]] double share_of_peak(const train::StepReport& report) const;
  [[nodiscard]] std::string note_of(const train::StepReport& report) const;

  bool quiet_;
  double peak_;
  tools::Progress progress_;
  RunLog log_;
  std::optional<train::EventFile> events_;
  train::StepReport last_;
  int64_t first_step_;
  int64_t tokens_ = 0;
  int64_t skipped_ = 0;
  double seconds_ = 0.0;
  double flops_ = 0.0;
  nlohmann::ordered_json evaluations_;  ///< the last of each name
};

/// "loss", "perplexity", "answers", "exact" of a pass over held-out data.
nlohmann::ordered_json evaluation_json(const train::LossSums& sums);

}  // namespace memlong::train_tool
