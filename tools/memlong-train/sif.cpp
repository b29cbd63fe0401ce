// memlong-train sif: what the embedder knows of a model's language, estimated or learnt anew.
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "model/weights.h"
#include "tools/common/output.h"
#include "tools/common/progress.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-train/artifact.h"
#include "tools/memlong-train/setup.h"
#include "train/sif_learning.h"

namespace memlong::train_tool {
namespace {

std::vector<train::SifDialog> dialogs_of(const train::Corpus& corpus,
                                         const engine::LoadedModel& model) {
  const model::MemorySettings& settings = model.settings;
  std::vector<train::SifDialog> dialogs;
  for (const train::CorpusEntry& entry : corpus.entries) {
    for (const train::Document& document : entry.documents) {
      if (document.is_dialog()) {
        dialogs.push_back(train::sif_dialog(document, settings.chunk, settings.window / 2));
      }
    }
  }
  return dialogs;
}

/// What learning did, for the output.
struct Learnt {
  retriever::SifParameters sif;
  int64_t questions = 0;
  double before = 0;  ///< share of the facts that are found; -1: no question to measure on
  double after = 0;
};

Learnt learn(Context& context, const Arguments& arguments, const engine::LoadedModel& model,
             const train::Corpus& corpus, const TensorView& table,
             const retriever::SifParameters& start) {
  const auto dialogs = dialogs_of(corpus, model);
  std::shared_ptr<const train::Corpus> held;
  if (!arguments.sif_eval_data.empty()) {
    held = read_data(parse_data(arguments.sif_eval_data), model, arguments.common);
  }
  const auto measured = held ? dialogs_of(*held, model) : dialogs;
  const int64_t top_k = model.settings.top_k;
  Learnt learnt;
  for (const train::SifDialog& dialog : dialogs) {
    learnt.questions += static_cast<int64_t>(dialog.questions.size());
  }
  learnt.before = train::sif_found(context, table, measured, start, top_k);
  tools::Progress progress(
      "learn", "steps", 0,
      arguments.common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic);
  learnt.sif = train::learn_sif(context, table, dialogs, start, arguments.sif_learning,
                                [&](int64_t step, int64_t steps, double loss) {
                                  progress.set_total(steps);
                                  progress.note("loss " + tools::fixed(loss, 3));
                                  progress.update(step);
                                  tools::throw_if_stopped();
                                });
  progress.finish();
  learnt.after = train::sif_found(context, table, measured, learnt.sif, top_k);
  return learnt;
}

nlohmann::ordered_json found_json(double found) {
  if (found < 0.0) return nullptr;
  return found;
}

/// Where the parameters go. Errors: usage.
std::filesystem::path target_of(const Arguments& arguments) {
  if (arguments.in_place != arguments.out.empty()) {
    fail(ErrorKind::usage,
         "sif: give --out FILE, or --in-place to write over the model's sif.safetensors");
  }
  if (arguments.in_place) return arguments.common.model / "sif.safetensors";
  std::error_code ignored;
  if (std::filesystem::exists(arguments.out, ignored)) {
    fail(ErrorKind::usage, "--out: " + arguments.out.string() + " is there already");
  }
  return arguments.out;
}

std::string found_text(double found) { return found < 0.0 ? "-" : tools::percent(found); }

}  // namespace

int write_sif(const Arguments& arguments) {
  const std::filesystem::path& folder = arguments.common.model;
  if (folder.empty()) fail(ErrorKind::usage, "--model DIR is missing");
  const std::filesystem::path target = target_of(arguments);
  if (!arguments.sif_learn && !arguments.sif_eval_data.empty()) {
    fail(ErrorKind::usage, "--eval-data goes with --learn");
  }
  if (!arguments.sif_learn && arguments.sif_learning.vectors) {
    fail(ErrorKind::usage, "--vectors goes with --learn");
  }
  Context context({.threads = arguments.common.threads});
  const auto model = open_base(context, arguments);
  const auto corpus = read_data(parse_data(arguments.sif_data), *model, arguments.common);
  const std::vector<int32_t> ids = sample_tokens(*corpus, arguments.sif_tokens);
  if (ids.empty()) fail(ErrorKind::usage, "--data holds no text");

  const model::WeightStore store = model::WeightStore::open(folder);
  const TensorView table = store.get("model.embed_tokens.weight");
  retriever::SifParameters sif =
      retriever::estimate_sif(context, table, ids, model->settings.chunk);
  const std::string path = target.string();
  nlohmann::ordered_json json = {{"path", path}, {"tokens", ids.size()}};
  std::vector<std::pair<std::string, std::string>> lines = {
      {"written", path}, {"tokens", tools::group_digits(static_cast<int64_t>(ids.size()))}};
  if (arguments.sif_learn) {
    Learnt learnt = learn(context, arguments, *model, *corpus, table, sif);
    sif = std::move(learnt.sif);
    json["questions"] = learnt.questions;
    json["found_before"] = found_json(learnt.before);
    json["found"] = found_json(learnt.after);
    lines.emplace_back("questions", tools::group_digits(learnt.questions));
    lines.emplace_back("found", found_text(learnt.before) + " by frequency, " +
                                    found_text(learnt.after) + " learnt");
  }
  retriever::save_sif(target, sif);
  if (arguments.common.json) {
    tools::print_json(json);
  } else {
    tools::print_out(tools::key_values(lines));
  }
  return 0;
}

}  // namespace memlong::train_tool
