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

using nlohmann::ordered_json;

/// The run's recipe, to be read here: nothing is multiplied, so that neither its device nor what
/// this processor multiplies matters.
Arguments recipe_of(const Arguments& arguments, const ordered_json& identity) {
  std::vector<std::string> over = {"--device", "cpu"};
  if (identity.is_object()) over.insert(over.end(), {"--dtype", "f32"});
  if (const std::string model = arguments.common.model.string(); !model.empty()) {
    over.insert(over.end(), {"--model", model});
  }
  Arguments run;
  read_recipe(arguments.run, over, run);
  run.common.quiet = arguments.common.quiet;
  run.common.threads = arguments.common.threads;
  if (identity.is_object() && identity.contains("dtype") && identity["dtype"].is_string()) {
    run.recipe.network.dtype = parse_dtype(identity["dtype"].get<std::string>());
  }
  return run;
}

/// Errors: mismatch. What finds the chunks of streams is in no artefact.
void check_fingerprint(const train::LoadedCheckpoint& checkpoint, const std::string& folder,
                       const ordered_json& theirs, ordered_json ours) {
  if (theirs.is_object()) take_sif_of(theirs, ours);
  if (checkpoint.state.fingerprint == fingerprint_of(ours)) return;
  const std::string what = theirs.is_object() ? differences(theirs, ours) : "";
  fail(ErrorKind::mismatch,
       folder + " was made with another recipe or model" + (what.empty() ? "" : " (" + what + ")"));
}

}  // namespace

int export_run(const Arguments& arguments) {
  const ordered_json identity = stored_identity(arguments.run);
  const Arguments run = recipe_of(arguments, identity);
  check_artifact_place(run, arguments.out);
  const auto folder = train::newest_checkpoint(arguments.run);
  if (!folder) {
    fail(ErrorKind::usage, arguments.run.string() + " has no checkpoint yet");
  }
  Context context({.threads = run.common.threads});
  const auto model = open_base(context, run);
  const train::LoadedCheckpoint checkpoint = train::read_checkpoint(*folder);
  check_fingerprint(checkpoint, folder->string(), identity, identity_of(run, *model));
  train::NamedTensors parameters;
  for (const auto& [name, tensor] : checkpoint.parameters) parameters.emplace_back(name, tensor);
  const Artifact artifact =
      write_artifact(context, run, *model, parameters, arguments.out, [&](int64_t most) {
        return sample_tokens(*read_data(run.recipe.data.entries, *model, run.common), most);
      });
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
