// Whole training runs on a CUDA device, beside the same on the CPU: sources, optimizers,
// evaluation, checkpoints.
#include <filesystem>
#include <memory>

#include <gtest/gtest.h>

#include "support/temp_folder.h"
#include "train/checkpoint.h"
#include "train/device/on_device.h"
#include "train/make_source.h"
#include "train/small_corpus.h"
#include "train/trainer.h"

namespace memlong::train {
namespace {

using memlong::test::TempFolder;

constexpr int64_t kSteps = 3;

/// Counts ids modulo 16.
class CountEmbedder : public retriever::Embedder {
 public:
  [[nodiscard]] std::string name() const override { return "count"; }
  [[nodiscard]] int64_t dim() const override { return 16; }
  [[nodiscard]] bool needs_hidden() const override { return false; }
  void embed(std::span<const int32_t> ids, const TensorView& /*hidden*/,
             std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0F);
    for (const int32_t id : ids) out[static_cast<size_t>(id % 16)] += 0.1F;
  }
};

struct RunCase {
  std::string name;
  TrainPart part = TrainPart::all;
  ItemForm form = ItemForm::plain;
  OptimizerKind kind = OptimizerKind::adamw;
  DType dtype = DType::f32;
  int64_t accumulate = 1;
};

void PrintTo(const RunCase& run, std::ostream* out) { *out << run.name; }

Document random_dialog(int64_t turns, uint64_t seed) {
  Document dialog = test::counted_dialog(0, turns, 7);
  dialog.ids = small_ids(7 * turns, seed);
  dialog.later = 7 * (turns / 2);
  dialog.answers = {
      {.begin = dialog.later + 9, .end = dialog.later + 12, .kind = AnswerKind::told, .fact = 14}};
  return dialog;
}

/// Texts and dialogs of the small model.
std::shared_ptr<const Corpus> small_corpus() {
  std::vector<Document> texts;
  std::vector<Document> dialogs;
  for (uint64_t i = 0; i < 3; ++i) {
    texts.emplace_back().ids = small_ids(170, 100 + i);
    dialogs.push_back(random_dialog(20, 200 + i));
  }
  return test::corpus_of(
      {test::entry_of(DataKind::text, texts), test::entry_of(DataKind::dialogs, dialogs)});
}

/// One run's parts.
class Training {
 public:
  Training(Device device, const RunCase& run, TrainerOptions options = {})
      : context({.device = device}) {
    model->config = small_config();
    model->settings = small_settings();
    model->settings.top_k = 3;
    model->settings.window = 32;
    model->settings.overlap = 8;
    network = std::make_unique<Network>(context, small_store(model->config), model->config,
                                        model->settings,
                                        NetworkOptions{.part = run.part, .dtype = run.dtype});
    source = make(run);
    std::vector<EvaluationSet> sets;
    sets.push_back({"held-out", make(run)});
    options.steps = kSteps;
    options.accumulate = run.accumulate;
    options.evaluate_every = 2;
    options.evaluate_batches = 2;  // of streams the first reads no memory yet
    trainer = std::make_unique<Trainer>(context, *network, *source, std::move(sets),
                                        OptimizerOptions{.kind = run.kind, .lr = 3e-3, .warmup = 1},
                                        options);
    start = values();
  }

  Training(const Training&) = delete;  // its parts know its context
  Training& operator=(const Training&) = delete;

  /// Stops after step `stop_at`; -1: runs to the end.
  bool go(int64_t stop_at = -1) {
    return trainer->run({.step = [&](const StepReport& report) { steps.push_back(report); },
                         .evaluated = [&](const auto& report) { evaluations.push_back(report); },
                         .saved = {},
                         .warning = [](const auto& line) { ADD_FAILURE() << line; },
                         .stop = [&, stop_at] { return steps.back().step == stop_at; }});
  }
  [[nodiscard]] Values values() { return values_of(context, *network); }

  Context context;
  std::shared_ptr<engine::LoadedModel> model = std::make_shared<engine::LoadedModel>();
  std::unique_ptr<Network> network;
  std::unique_ptr<BatchSource> source;
  std::unique_ptr<Trainer> trainer;
  Values start;
  std::vector<StepReport> steps;
  std::vector<EvaluationReport> evaluations;

 private:
  std::unique_ptr<BatchSource> make(const RunCase& run) {
    DataOptions options;
    options.form = run.form;
    options.rows = 2;
    options.span = Schedule(20);
    options.past = Schedule(24);
    options.distractors = Schedule(1);
    return make_source(context, small_corpus(), options, model, std::make_shared<CountEmbedder>());
  }
};

/// How far a run on one device may be from the same on the other: losses, and what was learnt. Muon
/// multiplies in bf16, whatever the network does.
struct Tolerance {
  double loss, change;
};
Tolerance tolerance_of(const RunCase& run) {
  if (run.dtype == DType::bf16) return {1e-2, 0.5};
  return run.kind == OptimizerKind::muon ? Tolerance{1e-3, 5e-2} : Tolerance{1e-4, 1e-2};
}

void expect_same_course(const Training& found, const Training& wanted, double tolerance) {
  ASSERT_EQ(found.steps.size(), wanted.steps.size());
  for (size_t i = 0; i < wanted.steps.size(); ++i) {
    const StepReport& a = found.steps[i];
    const StepReport& b = wanted.steps[i];
    EXPECT_TRUE(a.norms.taken);
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.answers, b.answers);
    EXPECT_NEAR(a.loss, b.loss, tolerance * b.loss) << i;
    EXPECT_NEAR(a.norms.gradient, b.norms.gradient, 10 * tolerance * b.norms.gradient) << i;
  }
  ASSERT_EQ(found.evaluations.size(), wanted.evaluations.size());
  ASSERT_FALSE(wanted.evaluations.empty());
  for (size_t i = 0; i < wanted.evaluations.size(); ++i) {
    const EvaluationReport& a = found.evaluations[i];
    const EvaluationReport& b = wanted.evaluations[i];
    EXPECT_EQ(a.with_memory.targets, b.with_memory.targets);
    EXPECT_NEAR(a.with_memory.loss, b.with_memory.loss, tolerance * b.with_memory.loss);
    EXPECT_NEAR(a.without_memory.loss, b.without_memory.loss, tolerance * b.without_memory.loss);
  }
}

void expect_same_end(Training& found, Training& wanted, const Tolerance& tolerance) {
  EXPECT_NEAR(found.steps.back().loss, wanted.steps.back().loss,
              tolerance.loss * wanted.steps.back().loss);
  expect_near(difference_of(found.values(), found.start),
              difference_of(wanted.values(), wanted.start), tolerance.change);
}

class TrainerOnDevice : public testing::TestWithParam<RunCase> {};

TEST_P(TrainerOnDevice, LearnsAsOnTheCpu) {
  Training gpu(Device::cuda, GetParam());
  Training cpu(Device::cpu, GetParam());
  EXPECT_EQ(gpu.start, cpu.start) << "the same bits to begin with";
  ASSERT_TRUE(gpu.go());
  ASSERT_TRUE(cpu.go());
  expect_same_course(gpu, cpu, tolerance_of(GetParam()).loss);
  expect_same_end(gpu, cpu, tolerance_of(GetParam()));
  if (GetParam().form != ItemForm::plain) {
    EXPECT_NE(cpu.evaluations.back().with_memory.loss, cpu.evaluations.back().without_memory.loss)
        << "nothing read memory";
  }
}

/// Goes on from the checkpoint in `out`, which has the values of `before`.
std::unique_ptr<Training> resumed(Device device, const RunCase& run,
                                  const std::filesystem::path& out, Training& before) {
  auto training = std::make_unique<Training>(device, run, TrainerOptions{.out = out});
  EXPECT_TRUE(training->trainer->resume());
  EXPECT_EQ(training->values(), before.values());
  EXPECT_TRUE(training->go());
  EXPECT_EQ(training->steps.size(), static_cast<size_t>(kSteps - 2));
  return training;
}

class CheckpointOnDevice : public testing::TestWithParam<RunCase> {};

TEST_P(CheckpointOnDevice, GoesOnThereToTheSameBitsAndOnTheCpuNearly) {
  const TempFolder temp;
  const std::filesystem::path out = temp.path() / "run";
  Training straight(Device::cuda, GetParam());
  ASSERT_TRUE(straight.go());
  Training first(Device::cuda, GetParam(), {.out = out});
  EXPECT_FALSE(first.go(2));
  std::filesystem::copy(out, temp.path() / "copy", std::filesystem::copy_options::recursive);

  const auto same = resumed(Device::cuda, GetParam(), out, first);
  EXPECT_EQ(same->values(), straight.values());
  EXPECT_EQ(same->steps.back().loss, straight.steps.back().loss);
  EXPECT_EQ(same->source->state(), straight.source->state());

  const auto other = resumed(Device::cpu, GetParam(), temp.path() / "copy", first);
  expect_same_end(*other, straight, tolerance_of(GetParam()));
}

TEST_P(CheckpointOnDevice, GoesOnFromOneOfTheCpu) {
  const TempFolder temp;
  Training straight(Device::cpu, GetParam());
  ASSERT_TRUE(straight.go());
  Training first(Device::cpu, GetParam(), {.out = temp.path()});
  EXPECT_FALSE(first.go(2));
  const auto other = resumed(Device::cuda, GetParam(), temp.path(), first);
  expect_same_end(*other, straight, tolerance_of(GetParam()));
}

std::vector<RunCase> checkpoint_cases() {
  return {{"all_pairs", TrainPart::all, ItemForm::pairs},
          {"upper_streams_muon", TrainPart::upper, ItemForm::streams, OptimizerKind::muon}};
}

std::vector<RunCase> cases() {
  std::vector<RunCase> all = checkpoint_cases();
  all.push_back({"lora_streams", TrainPart::lora, ItemForm::streams});
  all.push_back({"all_plain_in_two_batches", TrainPart::all, ItemForm::plain, OptimizerKind::adamw,
                 DType::f32, 2});
  all.push_back({"upper_streams_bf16", TrainPart::upper, ItemForm::streams, OptimizerKind::adamw,
                 DType::bf16});
  return all;
}

std::string name_of(const testing::TestParamInfo<RunCase>& run) { return run.param.name; }

INSTANTIATE_TEST_SUITE_P(All, TrainerOnDevice, testing::ValuesIn(cases()), name_of);
INSTANTIATE_TEST_SUITE_P(All, CheckpointOnDevice, testing::ValuesIn(checkpoint_cases()), name_of);

}  // namespace
}  // namespace memlong::train
