// memlong-train export: adapter or model from a run's newest checkpoint.
#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/text.h"
#include "tools/memlong-train/artifact.h"
#include "tools/memlong-train/recipe.h"
#include "tools/memlong-train/setup.h"
#include "train/checkpoint.h"

namespace memlong::train_tool {
namespace {

constexpr int64_t kSifTokens = 4'000'000;

}  // namespace

int export_run(const Arguments& arguments) {
  Arguments run;
  read_recipe(arguments.run, run);
  run.common.quiet = arguments.common.quiet;
  run.common.threads = arguments.common.threads;
  const auto folder = train::newest_checkpoint(arguments.run);
  if (!folder) {
    fail(ErrorKind::usage, arguments.run.string() + " has no checkpoint yet");
  }
  Context context({.threads = run.common.threads});
  const auto model = open_base(context, run);
  const train::LoadedCheckpoint checkpoint = train::read_checkpoint(*folder);
  if (checkpoint.state.fingerprint != fingerprint_of(identity_of(run, *model))) {
    fail(ErrorKind::mismatch, folder->string() + " was made with other weights than those that " +
                                  run.common.model.string() + " has now");
  }
  train::NamedTensors parameters;
  for (const auto& [name, tensor] : checkpoint.parameters) parameters.emplace_back(name, tensor);
  const Artifact artifact = write_artifact(context, run, *model, parameters, arguments.out);
  if (run.recipe.network.part == train::TrainPart::all && model->settings.embedder == "sif") {
    const auto corpus = read_data(run.recipe.data.entries, *model, run.common);
    write_sif_file(context, artifact.path, sample_tokens(*corpus, kSifTokens),
                   model->settings.chunk);
  }
  if (arguments.common.json) {
    tools::print_json({{"path", artifact.path.string()},
                       {"step", checkpoint.state.step},
                       {"writer", artifact.writer},
                       {"writer_unchanged", artifact.writer == model->writer_hash}});
  } else {
    tools::print_out(tools::key_values({{"written", artifact.path.string()},
                                        {"step", std::to_string(checkpoint.state.step)},
                                        {"memory", writer_remark(artifact, *model)}}));
  }
  return 0;
}

}  // namespace memlong::train_tool
