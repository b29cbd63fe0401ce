// memlong-train run: from a recipe to an adapter or a model.
#include "tools/common/run.h"

#include <filesystem>
#include <optional>

#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "common/log.h"
#include "tools/common/matmul_floor.h"
#include "tools/common/output.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-train/artifact.h"
#include "tools/memlong-train/recipe.h"
#include "tools/memlong-train/reporter.h"
#include "tools/memlong-train/run_lock.h"
#include "tools/memlong-train/setup.h"
#include "tools/memlong-train/training_plan.h"
#include "train/checkpoint.h"
#include "train/host_tensors.h"
#include "train/network.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr double kPeakSeconds = 0.5;

/// The step of a folder checkpoint-<step>.
int64_t step_of(const fs::path& checkpoint) {
  const std::string name = checkpoint.filename().string();
  return std::stoll(name.substr(name.find_last_of('-') + 1));
}

/// The checkpoint that the run goes on from. An older run, which does not know which
/// sif.safetensors it began with, goes on with the one that is there. Errors: usage, for --fresh;
/// mismatch, naming what is another.
std::optional<fs::path> find_checkpoint(const Recipe& recipe, ordered_json& identity) {
  const fs::path& out = recipe.trainer.out;
  const auto checkpoint = train::newest_checkpoint(out);
  if (!checkpoint) return checkpoint;
  if (recipe.fresh) {
    fail(ErrorKind::usage, "--fresh: " + checkpoint->string() +
                               " is there already; name another folder, or leave out --fresh to "
                               "go on");
  }
  const ordered_json stored = stored_identity(out);
  if (stored.is_null()) return checkpoint;  // the checkpoint's own fingerprint decides
  if (!stored.contains("sif")) take_sif_of(stored, identity);
  if (stored != identity) {
    fail(ErrorKind::mismatch, out.string() + " holds another run (" +
                                  differences(stored, identity) +
                                  "); name another folder with --out");
  }
  return checkpoint;
}

void write_run_files(const tools::OptionSet& options, const Arguments& arguments,
                     const ordered_json& identity, const engine::LoadedModel& model) {
  const fs::path& out = arguments.recipe.trainer.out;
  write_file_atomic(out / "recipe.toml", tools::format_config(options));
  const ordered_json run = {{"identity", identity},
                            {"model", arguments.common.model.string()},
                            {"writer", model.writer_hash},
                            {"started", format_time(now_micros())}};
  write_file_atomic(out / "run.json", tools::json_text(run, 2) + "\n");
}

/// What there is to know before the first step.
void say_start(Reporter& reporter, const Arguments& arguments, const engine::LoadedModel& model,
               const train::Network& network, const train::Corpus& corpus, double peak) {
  const Recipe& recipe = arguments.recipe;
  reporter.say("model " + arguments.common.model.string() +
               (recipe.random_init ? ", random weights" : "") +
               (model.adapter.empty() ? "" : ", adapter " + model.adapter.string()) + ": " +
               tools::human_count(static_cast<double>(network.parameter_count())) +
               " parameters learn (" + recipe.words.part + ")");
  size_t documents = 0;
  for (const train::CorpusEntry& entry : corpus.entries) documents += entry.documents.size();
  reporter.say("data: " + tools::human_count(static_cast<double>(corpus.tokens())) + " tokens in " +
               std::to_string(documents) + " documents");
  reporter.say("writer " + model.writer_hash.substr(0, 16) +
               (recipe.network.part == train::TrainPart::all ? ", which this run changes" : ""));
  if (peak > 0) {
    reporter.say("matmul peak: " + tools::human_count(peak) + "FLOP/s in " +
                 std::string(dtype_name(tools::compute_dtype(arguments.common))));
  }
}

/// Where the data cannot fill a single item, the run repeats a few tokens and learns nothing else.
void warn_of_little_data(const Recipe& recipe, const engine::LoadedModel& model,
                         const train::Corpus& corpus) {
  const train::DataOptions& data = recipe.data;
  auto item = static_cast<int64_t>(data.span.largest());
  if (data.form == train::ItemForm::pairs) item += static_cast<int64_t>(data.past.largest());
  if (data.form == train::ItemForm::streams) item = model.settings.window;
  if (corpus.tokens() >= item) return;
  log::warn("--data holds " + std::to_string(corpus.tokens()) + " tokens, fewer than one item of " +
            std::to_string(item) + ": give more text, or shorter items");
}

/// The artefact. Where this process has trained nothing, one that is there may have been worked on.
ordered_json finish(Context& context, const Arguments& arguments, const engine::LoadedModel& model,
                    train::Network& network, const train::Corpus& corpus, bool trained,
                    Reporter& reporter) {
  const fs::path& out = arguments.recipe.trainer.out;
  std::optional<Artifact> artifact;
  if (!trained) artifact = find_artifact(arguments, model, out);
  const bool kept = artifact.has_value();
  if (!kept) {
    const train::HostTensors parameters(context, named(network.parameters()));
    Context host({.threads = context.threads()});
    artifact = write_artifact(host, arguments, model, parameters.views(), out,
                              [&](int64_t most) { return sample_tokens(corpus, most); });
  }
  const std::string remark =
      kept ? "is there already and stays as it is" : writer_remark(*artifact, model);
  if (!arguments.common.quiet) reporter.say(artifact->path.string() + ": " + remark);
  return {{"path", artifact->path.string()},
          {"writer", artifact->writer},
          {"writer_unchanged", artifact->writer == model.writer_hash}};
}

void print_summary(const Arguments& arguments, const ordered_json& summary) {
  if (arguments.common.json) return tools::print_json(summary);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"steps", std::to_string(summary["step"].get<int64_t>()) + " of " +
                    std::to_string(arguments.recipe.trainer.steps)},
      {"time", tools::human_duration(summary["seconds"].get<double>()) + ", " +
                   tools::human_count(summary["tokens"].get<double>()) + " tokens"}};
  if (summary["tokens_per_second"].is_number()) {
    rows.back().second +=
        ", " + tools::human_count(summary["tokens_per_second"].get<double>()) + " tokens/s";
  }
  if (summary["loss"].is_number()) {
    rows.emplace_back("loss", tools::fixed(summary["loss"].get<double>(), 4));
  }
  if (summary["artifact"].is_object()) {
    rows.emplace_back("written", summary["artifact"]["path"].get<std::string>());
  }
  tools::print_out(tools::key_values(rows));
}

}  // namespace

int run_training(const tools::OptionSet& options, Arguments& arguments) {
  Recipe& recipe = arguments.recipe;
  check_artifact_place(arguments, recipe.trainer.out);
  Context context(tools::context_options(arguments.common));
  const auto model = open_base(context, arguments);
  ordered_json identity = identity_of(arguments, *model);
  const RunLock lock(recipe.trainer.out);
  const auto checkpoint = find_checkpoint(recipe, identity);
  recipe.trainer.fingerprint = fingerprint_of(identity);
  Sources sources = open_sources(context, arguments, model);
  show_training_plan(context, arguments, *model, sources);
  train::Network network(context, model->store, model->config, model->settings, recipe.network);
  train::Trainer trainer(context, network, *sources.training, std::move(sources.evaluations),
                         recipe.optimizer, recipe.trainer);
  const int64_t step = trainer.resume() ? step_of(*checkpoint) : 0;
  recipe.fresh = false;  // the recipe that stays behind is for going on
  write_run_files(options, arguments, identity, *model);
  const double peak =
      recipe.peak ? tools::MatmulFloor(context, recipe.network.dtype).best_of(kPeakSeconds) : 0.0;

  warn_of_little_data(recipe, *model, *sources.corpus);
  Reporter reporter(arguments, step, peak);
  if (!arguments.common.quiet) {
    say_start(reporter, arguments, *model, network, *sources.corpus, peak);
    const std::string after = " after step " + std::to_string(step);
    if (step > 0)
      reporter.say((step < recipe.trainer.steps ? "goes on" : "finished already") + after);
  }
  const bool done = trainer.run(reporter.events());
  reporter.finish();
  ordered_json summary = reporter.summary();
  summary["out"] = recipe.trainer.out.string();
  summary["stopped"] = !done;
  summary["artifact"] = nullptr;
  if (done) {
    summary["artifact"] = finish(context, arguments, *model, network, *sources.corpus,
                                 step < recipe.trainer.steps, reporter);
  }
  print_summary(arguments, summary);
  if (done) return tools::kExitOk;
  tools::flush_out();
  fail(ErrorKind::stopped, "stopped after step " + std::to_string(summary["step"].get<int64_t>()) +
                               "; the same command goes on from there");
}

}  // namespace memlong::train_tool
