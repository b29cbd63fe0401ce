#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <utility>

#include "common/clock.h"
#include "common/error.h"
#include "ops/copy.h"
#include "train/checkpoint.h"
#include "train/evaluation.h"
#include "train/host_tensors.h"
#include "train/spike_guard.h"

namespace memlong::train {
namespace {

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", value);
  return text;
}

/// Copies the checkpoint's tensors into the parameters, after all of them were found to fit.
void restore_parameters(Context& context, const std::map<std::string, Tensor>& stored,
                        const std::vector<Parameter>& parameters) {
  for (const Parameter& parameter : parameters) {
    const auto found = stored.find(parameter.name);
    if (found == stored.end()) {
      fail(ErrorKind::mismatch, "the checkpoint has no parameter " + parameter.name);
    }
    const Tensor& given = found->second;
    if (given.shape() != parameter.value.shape() || given.dtype() != DType::f32) {
      fail(ErrorKind::mismatch, parameter.name + " is " + std::string(dtype_name(given.dtype())) +
                                    " " + given.shape().to_string() +
                                    " in the checkpoint, not f32 " +
                                    parameter.value.shape().to_string());
    }
  }
  if (stored.size() != parameters.size()) {
    fail(ErrorKind::mismatch, "the checkpoint has " + std::to_string(stored.size()) +
                                  " parameters, not " + std::to_string(parameters.size()));
  }
  for (const Parameter& parameter : parameters) {
    ops::copy(context, stored.at(parameter.name), parameter.value);
  }
}

}  // namespace

struct Trainer::Impl {
  Context& context;
  Network& network;
  BatchSource& source;
  std::vector<EvaluationSet> evaluations;
  TrainerOptions options;
  Optimizer optimizer;
  SpikeGuard guard;
  std::vector<std::string> first_states = {};  // of the evaluations
  int64_t step = 0;
  int64_t tokens = 0;
  int64_t skipped = 0;          // steps in a row
  bool evaluation_due = false;  // of the last step, when the run was stopped there
  bool owns_out = false;        // what lies in `out` is this run's

  bool resume();
  bool run(const TrainerEvents& events);
  void take_step(const TrainerEvents& events);
  LossSums pass_batches(StepReport& report);
  StepNorms apply(const LossSums& sums);
  void count_skipped(const StepNorms& norms, const TrainerEvents& events);
  void evaluate(const TrainerEvents& events);
  void save(const TrainerEvents& events);
};

/// Forward and backward of the step's batches; gradients are those of the sum.
LossSums Trainer::Impl::pass_batches(StepReport& report) {
  network.zero_gradients(context);
  LossSums sums;
  for (int64_t i = 0; i < options.accumulate; ++i) {
    const Batch batch = source.next(step);
    sums += network.forward_backward(context, batch, 1.0F);
    report.flops += network.flops();
    report.tokens += batch.tokens();
    source.passed(batch, network);
  }
  return sums;
}

/// A loss that is not finite, or batches without any, have a norm of NaN: nothing is taken.
StepNorms Trainer::Impl::apply(const LossSums& sums) {
  const bool usable = std::isfinite(sums.loss) && sums.weight > 0.0;
  const double scale = usable ? 1.0 / sums.weight : std::numeric_limits<double>::quiet_NaN();
  const double largest = guard.largest(optimizer.steps_taken());
  const StepNorms norms =
      optimizer.step(context, network.parameters(), scale, step, options.steps, largest);
  if (norms.taken) {
    network.refresh(context);
    guard.add(norms.gradient, optimizer.steps_taken());
  }
  return norms;
}

void Trainer::Impl::count_skipped(const StepNorms& norms, const TrainerEvents& events) {
  skipped = norms.taken ? 0 : skipped + 1;
  if (norms.taken) return;
  const std::string why = std::isfinite(norms.gradient)
                              ? "gradient norm " + short_number(norms.gradient) + " is beyond " +
                                    short_number(options.spike) + " times the mean of " +
                                    short_number(guard.mean())
                              : "loss or gradient is not finite, or nothing carries loss";
  if (events.warning) {
    events.warning("step " + std::to_string(step) + " is skipped: " + why);
  }
  if (skipped >= options.give_up) {
    fail(ErrorKind::config, "training does not go on: " + std::to_string(skipped) +
                                " steps in a row were skipped, the last because " + why +
                                "; a lower learning rate or a longer warm-up may help");
  }
}

void Trainer::Impl::take_step(const TrainerEvents& events) {
  const Stopwatch watch;
  StepReport report;
  const LossSums sums = pass_batches(report);
  report.norms = apply(sums);
  ++step;
  tokens += report.tokens;
  report.step = step;
  report.steps = options.steps;
  report.loss = sums.weight > 0.0 ? sums.loss / sums.weight : 0.0;
  report.plain_loss = sums.targets > 0 ? sums.plain_loss / static_cast<double>(sums.targets) : 0.0;
  report.answers = sums.answers;
  report.exact_answers = sums.exact_answers;
  report.seconds = watch.seconds();
  if (events.step) events.step(report);
  count_skipped(report.norms, events);
}

void Trainer::Impl::evaluate(const TrainerEvents& events) {
  for (size_t i = 0; i < evaluations.size(); ++i) {
    EvaluationReport report = evaluate_set(context, network, evaluations[i], first_states[i],
                                           options.evaluate_batches, options.steps - 1);
    report.step = step;
    if (events.evaluated) events.evaluated(report);
  }
}

void Trainer::Impl::save(const TrainerEvents& events) {
  if (options.out.empty()) return;
  const CheckpointState state{.step = step,
                              .optimizer_steps = optimizer.steps_taken(),
                              .gradient_norm_mean = guard.mean(),
                              .evaluation_due = evaluation_due,
                              .skipped = skipped,
                              .tokens = tokens,
                              .fingerprint = options.fingerprint,
                              .source = source.state()};
  NamedTensors parameters;
  for (const Parameter& parameter : network.parameters()) {
    parameters.emplace_back(parameter.name, parameter.value.view());
  }
  const HostTensors values(context, parameters);
  const HostTensors moments(context, optimizer.state());
  const auto folder =
      write_checkpoint(options.out, state, values.views(), moments.views(), options.keep);
  if (events.saved) events.saved(step, folder);
}

bool Trainer::Impl::resume() {
  const auto folder = newest_checkpoint(options.out);
  if (!folder) return false;
  const LoadedCheckpoint loaded = read_checkpoint(*folder);
  const CheckpointState& state = loaded.state;
  if (state.fingerprint != options.fingerprint) {
    fail(ErrorKind::mismatch, folder->string() +
                                  " was made with another recipe, model or data: fingerprint " +
                                  state.fingerprint + ", not " + options.fingerprint);
  }
  restore_parameters(context, loaded.parameters, network.parameters());
  optimizer.restore(context, {loaded.optimizer.begin(), loaded.optimizer.end()});
  optimizer.set_steps_taken(state.optimizer_steps);
  guard.set_mean(state.gradient_norm_mean);
  network.refresh(context);
  source.restore(state.source, network);
  evaluation_due = state.evaluation_due;
  skipped = state.skipped;
  step = state.step;
  tokens = state.tokens;
  owns_out = true;
  return true;
}

bool Trainer::Impl::run(const TrainerEvents& events) {
  if (!owns_out && newest_checkpoint(options.out)) {
    fail(ErrorKind::usage, options.out.string() +
                               " holds checkpoints of an earlier run: resume it, or choose another "
                               "folder");
  }
  owns_out = true;
  if (evaluation_due) evaluate(events);
  const auto due = [this](int64_t every) { return every > 0 && step % every == 0; };
  while (step < options.steps) {
    take_step(events);
    const bool last = step >= options.steps;
    const bool stopped = !last && events.stop && events.stop();
    const bool evaluates = due(options.evaluate_every) || (last && options.evaluate_every > 0);
    if (evaluates && !stopped) evaluate(events);
    evaluation_due = evaluates && stopped;  // whoever stops it waits
    if (last || stopped || due(options.save_every)) save(events);
    if (stopped) return false;
  }
  return true;
}

Trainer::Trainer(Context& context, Network& network, BatchSource& source,
                 std::vector<EvaluationSet> evaluations, const OptimizerOptions& optimizer,
                 const TrainerOptions& options) {
  if (options.accumulate < 1 || options.give_up < 1) {
    fail(ErrorKind::usage, "accumulate and give_up are at least 1");
  }
  impl_ = std::unique_ptr<Impl>(new Impl{.context = context,
                                         .network = network,
                                         .source = source,
                                         .evaluations = std::move(evaluations),
                                         .options = options,
                                         .optimizer = Optimizer(network.parameters(), optimizer),
                                         .guard = SpikeGuard(options.spike)});
  for (const EvaluationSet& set : impl_->evaluations) {
    impl_->first_states.push_back(set.source->state());
  }
}

Trainer::~Trainer() = default;

bool Trainer::resume() { return impl_->resume(); }

bool Trainer::run(const TrainerEvents& events) { return impl_->run(events); }

}  // namespace memlong::train
