#include "tools/memlong-train/reporter.h"

#include <cmath>
#include <cstdio>

#include "common/clock.h"
#include "tools/common/process.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"

namespace memlong::train_tool {
namespace {

using nlohmann::ordered_json;

double share(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// JSON has no infinity: null.
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", value);
  return text;
}

double mean_loss(const train::LossSums& sums) {
  return sums.targets == 0 ? NAN : sums.plain_loss / static_cast<double>(sums.targets);
}

std::string side_of(const train::LossSums& sums) {
  std::string text = "perplexity " + tools::fixed(std::exp(mean_loss(sums)), 2);
  if (sums.answers > 0) {
    text += ", exact " + tools::percent(share(sums.exact_answers, sums.answers)) + " of " +
            std::to_string(sums.answers);
  }
  return text;
}

}  // namespace

ordered_json evaluation_json(const train::LossSums& sums) {
  const double loss = mean_loss(sums);
  ordered_json json = {{"loss", number(loss)},
                       {"perplexity", number(std::exp(loss))},
                       {"targets", sums.targets},
                       {"answers", sums.answers}};
  json["exact"] = nullptr;
  if (sums.answers > 0) json["exact"] = share(sums.exact_answers, sums.answers);
  return json;
}

Reporter::Reporter(const Arguments& arguments, int64_t step, double peak)
    : quiet_(arguments.common.quiet),
      peak_(peak),
      progress_("train", "steps", arguments.recipe.trainer.steps,
                quiet_ ? tools::ProgressStyle::none : tools::ProgressStyle::automatic),
      log_(arguments.recipe.trainer.out / "log.jsonl", step),
      first_step_(step),
      evaluations_(ordered_json::object()) {
  progress_.begin_at(step);
  last_.step = step;
  if (arguments.recipe.tensorboard) {
    events_.emplace(arguments.recipe.trainer.out / "tensorboard", step + 1);
  }
}

train::TrainerEvents Reporter::events() {
  return {.step = [this](const train::StepReport& report) { add(report); },
          .evaluated = [this](const train::EvaluationReport& report) { add(report); },
          .saved = {},
          .warning =
              [this](const std::string& line) {
                if (!quiet_) say("warning: " + tools::escape_terminal(line));
              },
          .stop = tools::stop_requested};
}

double Reporter::share_of_peak(const train::StepReport& report) const {
  return peak_ <= 0.0 || report.seconds <= 0.0 ? 0.0 : report.flops / report.seconds / peak_;
}

std::string Reporter::note_of(const train::StepReport& report) const {
  std::string note =
      "step " + std::to_string(report.step) + ", loss " + tools::fixed(report.loss, 3);
  if (report.answers > 0) {
    note += ", answers " + tools::percent(share(report.exact_answers, report.answers));
  }
  note +=
      ", lr " + short_number(report.norms.lr) + ", gradient " + short_number(report.norms.gradient);
  if (report.seconds > 0) {
    note += ", " + tools::human_count(static_cast<double>(report.tokens) / report.seconds) +
            " tokens/s";
  }
  if (peak_ > 0) note += ", " + tools::fixed(100 * share_of_peak(report), 0) + " % of peak";
  return note + ", " + tools::human_bytes(static_cast<double>(tools::resident_bytes()));
}

void Reporter::add(const train::StepReport& report) {
  last_ = report;
  tokens_ += report.tokens;
  seconds_ += report.seconds;
  flops_ += report.flops;
  skipped_ += report.norms.taken ? 0 : 1;
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.tokens) / report.seconds : 0.0;
  ordered_json row = {{"step", report.step},
                      {"loss", number(report.loss)},
                      {"plain_loss", number(report.plain_loss)},
                      {"answers", report.answers},
                      {"exact_answers", report.exact_answers},
                      {"lr", report.norms.lr},
                      {"gradient_norm", number(report.norms.gradient)},
                      {"taken", report.norms.taken},
                      {"tokens", report.tokens},
                      {"seconds", report.seconds},
                      {"tokens_per_second", rate},
                      {"flops", report.flops}};
  row["share_of_peak"] = peak_ > 0 ? ordered_json(share_of_peak(report)) : ordered_json(nullptr);
  row["resident_bytes"] = tools::resident_bytes();
  row["time"] = format_time(now_micros());
  log_.append(row);
  add_events(report);
  progress_.note(note_of(report));
  progress_.update(report.step);
}

void Reporter::add_events(const train::StepReport& report) {
  if (!events_) return;
  std::vector<std::pair<std::string, double>> values = {
      {"train/loss", report.loss},
      {"train/plain_loss", report.plain_loss},
      {"train/lr", report.norms.lr},
      {"train/gradient_norm", report.norms.gradient}};
  if (report.answers > 0) {
    values.emplace_back("train/exact", share(report.exact_answers, report.answers));
  }
  if (report.seconds > 0) {
    values.emplace_back("speed/tokens_per_second",
                        static_cast<double>(report.tokens) / report.seconds);
  }
  if (peak_ > 0) values.emplace_back("speed/share_of_peak", share_of_peak(report));
  values.emplace_back("speed/resident_bytes", static_cast<double>(tools::resident_bytes()));
  events_->scalars(report.step, values);
}

void Reporter::add(const train::EvaluationReport& report) {
  const ordered_json with = evaluation_json(report.with_memory);
  const ordered_json without = evaluation_json(report.without_memory);
  ordered_json row = {{"step", report.step},
                      {"evaluation", report.name},
                      {"with_memory", with},
                      {"without_memory", without},
                      {"time", format_time(now_micros())}};
  evaluations_[report.name] = row;
  log_.append(row);
  if (events_) {
    std::vector<std::pair<std::string, double>> values;
    for (const auto& [side, sums] :
         {std::pair{"with_memory", &with}, std::pair{"without_memory", &without}}) {
      for (const char* key : {"loss", "perplexity", "exact"}) {
        if (!(*sums)[key].is_number()) continue;
        values.emplace_back(report.name + "/" + key + "_" + side, (*sums)[key].get<double>());
      }
    }
    if (!values.empty()) events_->scalars(report.step, values);
  }
  if (quiet_) return;
  say("step " + std::to_string(report.step) + ", " + tools::escape_terminal(report.name) +
      ": with memory " + side_of(report.with_memory) + "; without " +
      side_of(report.without_memory));
}

ordered_json Reporter::summary() const {
  ordered_json json = {{"step", last_.step},
                       {"steps_now", last_.step - first_step_},
                       {"steps_skipped", skipped_},
                       {"loss", last_.step > first_step_ ? number(last_.loss) : nullptr},
                       {"tokens", tokens_},
                       {"seconds", seconds_}};
  json["tokens_per_second"] =
      seconds_ > 0 ? ordered_json(static_cast<double>(tokens_) / seconds_) : ordered_json(nullptr);
  json["share_of_peak"] =
      peak_ > 0 && seconds_ > 0 ? ordered_json(flops_ / seconds_ / peak_) : ordered_json(nullptr);
  json["evaluations"] = evaluations_;
  return json;
}

}  // namespace memlong::train_tool
