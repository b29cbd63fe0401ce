#include "train/trainer.h"

#include <cstring>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "common/error.h"
#include "support/temp_folder.h"
#include "train/error_line.h"
#include "train/network_fixture.h"

namespace memlong::train {
namespace {

using memlong::test::TempFolder;

/// Batch number n is made of n alone. Counts what was passed back to it.
class NumberedSource : public BatchSource {
 public:
  explicit NumberedSource(std::set<int64_t> bad = {}) : bad_(std::move(bad)) {}
  Batch next(int64_t step) override {
    steps.push_back(step);
    Batch batch = small_batch();
    const auto seed = static_cast<uint64_t>(1000 + 10 * (number_ % period));
    batch.pasts[0].ids = small_ids(11, seed);
    for (size_t i = 0; i < batch.sequences.size(); ++i) {
      Sequence& sequence = batch.sequences[i];
      const auto length = static_cast<int64_t>(sequence.ids.size());
      sequence.ids = small_ids(length, seed + 1 + i);
      sequence.targets = small_ids(length, seed + 3 + i % 2);
    }
    if (bad_.contains(number_)) spoil(batch);
    ++number_;
    return batch;
  }
  void passed(const Batch& batch, const Network& network) override {
    EXPECT_EQ(network.written(1).k.dim(1), static_cast<int64_t>(batch.sequences[1].ids.size()));
    ++passes_;
  }
  [[nodiscard]] std::string state() const override {
    return std::to_string(number_) + " " + std::to_string(passes_);
  }
  void restore(const std::string& state, Network& /*network*/) override {
    const size_t space = state.find(' ');
    number_ = std::stoll(state.substr(0, space));
    passes_ = std::stoll(state.substr(space));
  }
  std::vector<int64_t> steps;  ///< that were asked for
  bool weightless = false;     ///< bad batches are without any weight, else with an infinite one
  int64_t period = int64_t{1} << 40;  ///< after so many batches they come again

 private:
  void spoil(Batch& batch) const {
    batch.sequences[0].weights[2] = std::numeric_limits<float>::infinity();
    if (!weightless) return;
    for (Sequence& sequence : batch.sequences) {
      sequence.weights.assign(sequence.weights.size(), 0.0F);
    }
  }

  std::set<int64_t> bad_;
  int64_t number_ = 0;
  int64_t passes_ = 0;
};

NetworkOptions in_f32(TrainPart part = TrainPart::upper) {
  NetworkOptions options;
  options.part = part;
  options.dtype = DType::f32;
  return options;
}

/// One run's parts. What it reports is kept.
struct TrainingRun {
  explicit TrainingRun(const TrainerOptions& trainer_options,
                       const OptimizerOptions& optimizer = {},
                       const NetworkOptions& options = in_f32(), std::set<int64_t> bad = {},
                       bool evaluate = false)
      : network(small_network(context, small_config(), options)), source(std::move(bad)) {
    std::vector<EvaluationSet> sets;
    if (evaluate) sets.push_back({"held-out", std::make_unique<NumberedSource>()});
    trainer = std::make_unique<Trainer>(context, *network, source, std::move(sets), optimizer,
                                        trainer_options);
  }
  /// Stops after step `stop_at`; -1: runs to the end.
  bool go(int64_t stop_at = -1) {
    return trainer->run({.step = [&](const StepReport& report) { steps.push_back(report); },
                         .evaluated = [&](const auto& report) { evaluations.push_back(report); },
                         .saved = [&](int64_t step, const auto&) { saved.push_back(step); },
                         .warning = [&](const auto& line) { warnings.push_back(line); },
                         .stop = [&, stop_at] { return steps.back().step == stop_at; }});
  }
  [[nodiscard]] std::vector<std::vector<float>> parameters() {
    std::vector<std::vector<float>> all;
    for (const Parameter& p : network->parameters()) {
      all.emplace_back(p.value.data<float>(), p.value.data<float>() + p.value.view().elements());
    }
    return all;
  }

  Context context{{.threads = 2}};
  std::unique_ptr<Network> network;
  NumberedSource source;
  std::unique_ptr<Trainer> trainer;
  std::vector<StepReport> steps;
  std::vector<EvaluationReport> evaluations;
  std::vector<int64_t> saved;
  std::vector<std::string> warnings;
};

/// `steps` at once, and the same with a stop after `stop_at` and another process's worth of
/// objects.
void expect_same_after_resume(TrainerOptions options, const OptimizerOptions& optimizer,
                              const NetworkOptions& network, int64_t stop_at) {
  TrainingRun straight(options, optimizer, network);
  const auto start = straight.parameters();
  ASSERT_TRUE(straight.go());
  ASSERT_NE(straight.parameters(), start);
  const TempFolder temp;
  options.out = temp.path() / "run";
  TrainingRun first(options, optimizer, network);
  EXPECT_FALSE(first.trainer->resume());
  EXPECT_FALSE(first.go(stop_at));
  EXPECT_EQ(first.saved, std::vector<int64_t>{stop_at});
  TrainingRun second(options, optimizer, network);
  ASSERT_TRUE(second.trainer->resume());
  EXPECT_EQ(second.parameters(), first.parameters());
  ASSERT_TRUE(second.go());
  EXPECT_EQ(second.parameters(), straight.parameters()) << "to the bit";
  EXPECT_EQ(second.source.state(), straight.source.state());
  ASSERT_EQ(second.steps.size(), static_cast<size_t>(options.steps - stop_at));
  for (size_t i = 0; i < second.steps.size(); ++i) {
    const StepReport& want = straight.steps[i + static_cast<size_t>(stop_at)];
    EXPECT_EQ(second.steps[i].step, want.step);
    EXPECT_EQ(second.steps[i].loss, want.loss);
    EXPECT_EQ(second.steps[i].norms.taken, want.norms.taken);
  }
}

TEST(Trainer, GoesOnToTheSameBits) {
  const TrainerOptions options{.steps = 20, .accumulate = 2, .evaluate_every = 0, .save_every = 0};
  for (const TrainPart part : {TrainPart::upper, TrainPart::lora, TrainPart::all}) {
    for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
      expect_same_after_resume(options, {.kind = kind, .lr = 0.01, .warmup = 5},
                               {.part = part, .lora = {.rank = 2}}, 10);
    }
  }
}

TEST(Trainer, TheSpikeGuardGoesOnToo) {
  const TrainerOptions options{
      .steps = 40, .evaluate_every = 0, .save_every = 0, .spike = 1.05, .give_up = 40};
  expect_same_after_resume(options, {.warmup = 5}, in_f32(), 30);
}

TEST(Trainer, LearnsWhatItReads) {
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
    TrainingRun run({.steps = 40, .evaluate_every = 0}, {.kind = kind, .lr = 0.02, .warmup = 2},
                    in_f32(TrainPart::all));
    run.source.period = 1;
    ASSERT_TRUE(run.go());
    EXPECT_LT(run.steps.back().loss, 0.5 * run.steps[0].loss);
  }
}

TEST(Trainer, AccumulatedBatchesAreOneStep) {
  TrainingRun run({.steps = 1, .accumulate = 3, .evaluate_every = 0}, {.clip = 0.0});
  TrainingRun other({.steps = 1, .evaluate_every = 0});
  LossSums sums;
  NumberedSource source;
  for (int i = 0; i < 3; ++i) {
    const Batch batch = source.next(0);
    sums += other.network->forward_backward(other.context, batch, 1.0F);
  }
  double squares = 0.0;
  for (const Parameter& p : other.network->parameters()) {
    for (int64_t i = 0; i < p.gradient.view().elements(); ++i) {
      const double g = p.gradient.data<float>()[i] / sums.weight;
      squares += g * g;
    }
  }
  ASSERT_TRUE(run.go());
  EXPECT_EQ(run.source.steps, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(run.source.state(), "3 3");
  EXPECT_EQ(run.steps[0].tokens, 3 * (11 + 6 + 13 + 9));
  EXPECT_DOUBLE_EQ(run.steps[0].loss, sums.loss / sums.weight);
  EXPECT_DOUBLE_EQ(run.steps[0].plain_loss, sums.plain_loss / static_cast<double>(sums.targets));
  EXPECT_NEAR(run.steps[0].norms.gradient / std::sqrt(squares), 1.0, 1e-6);
  EXPECT_GT(run.steps[0].flops, 0.0);
}

TEST(Trainer, EvaluatesTheSameBatchesEachTimeAndDisturbsNothing) {
  TrainerOptions options{.steps = 10, .evaluate_every = 4, .evaluate_batches = 3};
  const OptimizerOptions still{.lr = 0.0};
  TrainingRun run(options, still, in_f32(), {}, true);
  ASSERT_TRUE(run.go());
  ASSERT_EQ(run.evaluations.size(), 3U);
  for (const EvaluationReport& report : run.evaluations) {
    EXPECT_EQ(report.name, "held-out");
    EXPECT_EQ(report.with_memory.loss, run.evaluations[0].with_memory.loss);
    EXPECT_EQ(report.without_memory.loss, run.evaluations[0].without_memory.loss);
  }
  EXPECT_EQ(run.evaluations[0].step, 4);
  EXPECT_EQ(run.evaluations[1].step, 8);
  EXPECT_EQ(run.evaluations[2].step, 10);
  LossSums with;
  LossSums without;
  NumberedSource source;
  for (int i = 0; i < 3; ++i) {
    Batch batch = source.next(0);
    with += run.network->evaluate(run.context, batch);
    batch.pasts.clear();
    for (Sequence& sequence : batch.sequences) sequence.segments.clear();
    without += run.network->evaluate(run.context, batch);
  }
  EXPECT_EQ(run.evaluations[0].with_memory.loss, with.loss);
  EXPECT_EQ(run.evaluations[0].without_memory.loss, without.loss);
  EXPECT_NE(with.loss, without.loss);
  const OptimizerOptions moving{.lr = 0.01, .warmup = 1};
  TrainingRun watched(options, moving, in_f32(), {}, true);
  options.evaluate_every = 0;
  TrainingRun alone(options, moving, in_f32(), {}, true);
  ASSERT_TRUE(watched.go());
  ASSERT_TRUE(alone.go());
  EXPECT_TRUE(alone.evaluations.empty());
  EXPECT_EQ(watched.parameters(), alone.parameters());
}

/// Whoever stops a run waits for it, so that the evaluation is left to the next one.
TEST(Trainer, AnEvaluationThatAStopLeftOutIsMadeUpFor) {
  const TempFolder temp;
  TrainerOptions options{.steps = 10, .evaluate_every = 4, .evaluate_batches = 2};
  const OptimizerOptions moving{.lr = 0.01, .warmup = 1};
  TrainingRun straight(options, moving, in_f32(), {}, true);
  ASSERT_TRUE(straight.go());
  options.out = temp.path() / "run";
  std::vector<EvaluationReport> found;
  for (const int64_t stop_at : {4, 6, -1}) {
    TrainingRun run(options, moving, in_f32(), {}, true);
    EXPECT_EQ(run.trainer->resume(), stop_at != 4);
    EXPECT_EQ(run.go(stop_at), stop_at < 0);
    EXPECT_EQ(run.evaluations.size(), stop_at == 4 ? 0U : stop_at == 6 ? 1U : 2U);
    found.insert(found.end(), run.evaluations.begin(), run.evaluations.end());
  }
  ASSERT_EQ(found.size(), 3U);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].step, straight.evaluations[i].step);
    EXPECT_EQ(found[i].with_memory.loss, straight.evaluations[i].with_memory.loss);
  }
}

TEST(Trainer, SkipsWhatHasNoUsableGradient) {
  for (const bool weightless : {false, true}) {
    TrainingRun run({.steps = 3, .evaluate_every = 0}, {.lr = 0.01, .warmup = 0}, in_f32(), {0, 1});
    run.source.weightless = weightless;
    const auto start = run.parameters();
    ASSERT_FALSE(run.go(2));
    EXPECT_EQ(run.parameters(), start);
    ASSERT_EQ(run.warnings.size(), 2U);
    EXPECT_EQ(run.warnings[1],
              "step 2 is skipped: loss or gradient is not finite, or nothing carries loss");
    ASSERT_TRUE(run.go());
    EXPECT_TRUE(run.steps.back().norms.taken);
    EXPECT_NE(run.parameters(), start);
  }
}

TEST(Trainer, GivesUpAfterBadStepsInARow) {
  TrainingRun run({.steps = 20, .evaluate_every = 0, .give_up = 3}, {}, in_f32(), {1, 2, 4, 5, 6});
  EXPECT_NE(test::error_line(ErrorKind::config, [&] { run.go(); }).find("3 steps in a row"),
            std::string::npos);
  EXPECT_EQ(run.steps.size(), 7U) << "a good step begins the count anew";
}

TEST(Trainer, CountsBadStepsInARowAcrossAStop) {
  const TempFolder temp;
  const TrainerOptions options{
      .steps = 20, .evaluate_every = 0, .give_up = 3, .out = temp.path() / "run"};
  const std::set<int64_t> bad = {1, 2, 3};
  TrainingRun first(options, {}, in_f32(), bad);
  EXPECT_FALSE(first.go(3));
  TrainingRun second(options, {}, in_f32(), bad);
  ASSERT_TRUE(second.trainer->resume());
  EXPECT_NE(test::error_line(ErrorKind::config, [&] { second.go(); }).find("3 steps in a row"),
            std::string::npos);
  EXPECT_EQ(second.steps.size(), 1U);
}

/// The rule, told by the reports alone.
TEST(Trainer, SkipsGradientsBeyondTheRunningMean) {
  TrainingRun run({.steps = 60, .evaluate_every = 0, .spike = 1.05, .give_up = 60}, {.warmup = 5});
  ASSERT_TRUE(run.go());
  double mean = 0.0;
  int64_t taken = 0;
  int64_t skipped = 0;
  for (const StepReport& report : run.steps) {
    const bool spike = taken >= 20 && report.norms.gradient > 1.05 * mean;
    EXPECT_EQ(report.norms.taken, !spike) << report.step;
    skipped += spike ? 1 : 0;
    if (spike) continue;
    ++taken;
    mean += (report.norms.gradient - mean) / static_cast<double>(std::min<int64_t>(taken, 50));
  }
  EXPECT_GT(skipped, 2);
  EXPECT_GT(taken, 30);
  EXPECT_EQ(run.warnings.size(), static_cast<size_t>(skipped));
}

TEST(Trainer, SavesEverySoOftenAndAtTheEnd) {
  const TempFolder temp;
  TrainingRun run(
      {.steps = 10, .evaluate_every = 0, .save_every = 4, .keep = 2, .out = temp.path()});
  ASSERT_TRUE(run.go());
  EXPECT_EQ(run.saved, (std::vector<int64_t>{4, 8, 10}));
  EXPECT_FALSE(std::filesystem::exists(temp.path() / "checkpoint-000004"));
  EXPECT_TRUE(std::filesystem::exists(temp.path() / "checkpoint-000008"));
  EXPECT_TRUE(std::filesystem::exists(temp.path() / "checkpoint-000010"));
  TrainingRun done({.steps = 10, .out = temp.path()});
  EXPECT_TRUE(done.trainer->resume());
  EXPECT_TRUE(done.go());
  EXPECT_TRUE(done.steps.empty()) << "nothing was left to do";
}

TEST(Trainer, RefusesCheckpointsOfOthers) {
  const TempFolder temp;
  TrainerOptions options{
      .steps = 2, .evaluate_every = 0, .out = temp.path(), .fingerprint = "one recipe"};
  TrainingRun run(options);
  ASSERT_TRUE(run.go());
  TrainingRun fresh(options);
  EXPECT_NE(test::error_line(ErrorKind::usage, [&] { fresh.go(); }).find("resume it"),
            std::string::npos);
  TrainingRun lora(options, {}, in_f32(TrainPart::lora));
  EXPECT_NE(test::error_line(ErrorKind::mismatch, [&] { lora.trainer->resume(); }).find("no param"),
            std::string::npos);
  options.fingerprint = "another recipe";
  TrainingRun other(options);
  const auto before = other.parameters();
  EXPECT_NE(test::error_line(ErrorKind::mismatch, [&] { other.trainer->resume(); })
                .find("fingerprint one recipe, not another recipe"),
            std::string::npos);
  EXPECT_EQ(other.parameters(), before);
}

}  // namespace
}  // namespace memlong::train
