#include "train/make_source.h"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "train/sources.h"

namespace memlong::train {
namespace {

[[noreturn]] void refuse(const std::string& what) { fail(ErrorKind::usage, what); }

void check_weights(const TokenWeights& weights) {
  for (const double weight : {weights.text, weights.user, weights.assistant, weights.answer}) {
    if (!std::isfinite(weight) || weight < 0.0) refuse("token weights must be 0 or more");
  }
  if (!std::isfinite(weights.reply)) refuse("the weight of replies must be a number");
}

void check_length(const char* name, const Schedule& schedule, int64_t least,
                  const engine::LoadedModel& model) {
  const int64_t room = model.window_capacity();
  if (std::llround(schedule.smallest()) >= least && std::llround(schedule.largest()) <= room) {
    return;
  }
  refuse(std::string(name) + " " + schedule.text() + " must be from " + std::to_string(least) +
         " to " + std::to_string(room) + " tokens: what a window of the model holds");
}

void check_streams(const DataOptions& options, const engine::LoadedModel& model,
                   const retriever::Embedder* embedder) {
  if (options.distractors.largest() + 0.5 >= static_cast<double>(model.settings.top_k)) {
    refuse("distractors " + options.distractors.text() +
           " leave no place for a row's own chunks: " + std::to_string(model.settings.top_k) +
           " are retrieved");
  }
  if (options.stretch < 0 || options.stretch == 1) {
    refuse("a stretch of text has at least two tokens (0: all of it)");
  }
  if (embedder == nullptr || embedder->needs_hidden()) {
    fail(ErrorKind::config, "streams need an embedder that works on text alone, such as sif");
  }
}

void check_options(const DataOptions& options, const engine::LoadedModel& model) {
  if (options.rows < 1) refuse("a batch needs at least one row");
  check_weights(options.weights);
  if (options.no_memory.largest() > 1.0) refuse("no_memory is a share from 0 to 1");
  if (options.form != ItemForm::streams) check_length("span", options.span, 2, model);
  if (options.form == ItemForm::pairs) check_length("past", options.past, 1, model);
}

}  // namespace

std::unique_ptr<BatchSource> make_source(Context& context, std::shared_ptr<const Corpus> corpus,
                                         const DataOptions& options,
                                         std::shared_ptr<const engine::LoadedModel> model,
                                         std::shared_ptr<const retriever::Embedder> embedder) {
  check_options(options, *model);
  if (options.form == ItemForm::plain) return make_plain_source(std::move(corpus), options, *model);
  if (options.form == ItemForm::pairs) return make_pairs_source(std::move(corpus), options, *model);
  check_streams(options, *model, embedder.get());
  return make_stream_source(context, std::move(corpus), options, model, embedder);
}

std::string wrap_state(const std::string& form, const Corpus& corpus, const DataOptions& options,
                       const nlohmann::json& state) {
  return nlohmann::json{{"form", form},
                        {"data", corpus.hash},
                        {"rows", options.rows},
                        {"seed", options.seed},
                        {"state", state}}
      .dump();
}

nlohmann::json unwrap_state(const std::string& text, const std::string& form, const Corpus& corpus,
                            const DataOptions& options) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("state")) refuse_state();
  const auto compare = [&json](const char* key, const nlohmann::json& ours) {
    const nlohmann::json theirs = json.value(key, nlohmann::json());
    if (theirs == ours) return;
    fail(ErrorKind::mismatch, "the state of the data was made with " + std::string(key) + " " +
                                  theirs.dump() + ", not " + ours.dump());
  };
  compare("form", form);
  compare("data", corpus.hash);
  compare("rows", options.rows);
  compare("seed", options.seed);
  return json.at("state");
}

void refuse_state() { fail(ErrorKind::mismatch, "what was saved is no state of these data"); }

}  // namespace memlong::train
