// From the words of a recipe to the structs of the library.
#include <algorithm>

#include "common/error.h"
#include "tools/memlong-train/arguments.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;

train::DataEntry parse_entry(const std::string& word) {
  train::DataEntry entry = train::DataEntry::parse(word);
  entry.path = fs::absolute(entry.path).lexically_normal();
  std::error_code error;
  if (fs::status(entry.path, error).type() == fs::file_type::not_found) {
    fail(ErrorKind::usage, "--data: " + entry.path.string() + ": no such file or folder");
  }
  return entry;
}

/// The same entry with the path in full, for the recipe that a run leaves behind.
std::string with_full_path(const std::string& word, const train::DataEntry& entry) {
  const std::string kind = word.substr(0, word.find(':'));
  std::string full = kind + ":" + entry.path.string();
  if (entry.weight != 1.0) return full + word.substr(word.rfind(':'));
  // A number behind a colon of the path would be taken for the weight.
  return entry.path.string().find(':') == std::string::npos ? full : full + ":1";
}

void read_evaluations(Recipe& recipe, const tools::OptionSet& options) {
  for (std::string& word : recipe.words.eval_data) {
    const size_t equals = word.find('=');
    const size_t colon = word.find(':');
    if (equals == std::string::npos || equals == 0 || colon < equals) {
      options.fail_usage("--eval-data '" + word + "' is not NAME=KIND:PATH");
    }
    const std::string name = word.substr(0, equals);
    const std::string rest = word.substr(equals + 1);
    auto set = std::find_if(recipe.evaluations.begin(), recipe.evaluations.end(),
                            [&name](const EvaluationData& each) { return each.name == name; });
    if (set == recipe.evaluations.end()) {
      set = recipe.evaluations.insert(set, {.name = name, .entries = {}});
    }
    set->entries.push_back(parse_entry(rest));
    word = name + "=" + with_full_path(rest, set->entries.back());
  }
}

train::ItemForm form_of(const std::string& name) {
  if (name == "pairs") return train::ItemForm::pairs;
  return name == "plain" ? train::ItemForm::plain : train::ItemForm::streams;
}

train::TrainPart part_of(const std::string& name) {
  if (name == "all") return train::TrainPart::all;
  return name == "lora" ? train::TrainPart::lora : train::TrainPart::upper;
}

void read_data(Recipe& recipe) {
  Words& words = recipe.words;
  train::DataOptions& data = recipe.data;
  data.entries = parse_data(words.data);
  for (size_t i = 0; i < words.data.size(); ++i) {
    words.data[i] = with_full_path(words.data[i], data.entries[i]);
  }
  if (words.form.empty()) words.form = words.part == "all" ? "plain" : "streams";
  data.form = form_of(words.form);
  data.span = train::Schedule::parse(words.span);
  data.past = train::Schedule::parse(words.past);
  data.gap = train::Schedule::parse(words.gap);
  data.distractors = train::Schedule::parse(words.distractors);
  data.no_memory = train::Schedule::parse(words.without_memory);
  data.memory_chunks = train::Schedule::parse(words.memory_chunks);
  data.seed = recipe.seed;
}

void check_targets(const std::vector<std::string>& targets, const tools::OptionSet& options) {
  const std::vector<std::string> known = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                          "gate_proj", "up_proj", "down_proj"};
  if (targets.empty()) options.fail_usage("--lora-targets names none");
  for (const std::string& target : targets) {
    if (std::find(known.begin(), known.end(), target) != known.end()) continue;
    options.fail_usage("--lora-targets: '" + target +
                       "' is none of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, "
                       "down_proj");
  }
}

}  // namespace

std::vector<train::DataEntry> parse_data(const std::vector<std::string>& words) {
  std::vector<train::DataEntry> entries;
  for (const std::string& word : words) entries.push_back(parse_entry(word));
  return entries;
}

void finish_recipe(const tools::OptionSet& options, Arguments& arguments) {
  tools::CommonOptions& common = arguments.common;
  Recipe& recipe = arguments.recipe;
  if (common.model.empty()) {
    options.fail_usage("--model DIR is missing: the model that is trained");
  }
  common.model = fs::absolute(common.model).lexically_normal();
  if (!common.adapter.empty() && common.adapter != "none") {
    common.adapter = fs::absolute(common.adapter).lexically_normal().string();
  }
  if (!common.encoder.empty()) {
    common.encoder = fs::absolute(common.encoder).lexically_normal().string();
  }
  recipe.random_init = recipe.words.init == "random";
  recipe.network.part = part_of(recipe.words.part);
  recipe.network.dtype = tools::compute_dtype(common);
  recipe.network.seed = recipe.seed;
  if (recipe.random_init && recipe.network.part != train::TrainPart::all) {
    options.fail_usage("--init random needs --train all: below it nothing would ever be learnt");
  }
  if (recipe.network.part == train::TrainPart::lora) {
    check_targets(recipe.network.lora.targets, options);
    if (recipe.network.lora.rank < 1) options.fail_usage("--lora-rank must be at least 1");
  }
  recipe.optimizer.kind =
      recipe.words.optimizer == "muon" ? train::OptimizerKind::muon : train::OptimizerKind::adamw;
  recipe.optimizer.decay = recipe.words.decay == "constant" ? train::LrDecay::constant
                           : recipe.words.decay == "linear" ? train::LrDecay::linear
                                                            : train::LrDecay::cosine;
  read_data(recipe);
  read_evaluations(recipe, options);
  if (recipe.trainer.out.empty()) options.fail_usage("--out must not be empty");
  recipe.trainer.out = fs::absolute(recipe.trainer.out).lexically_normal();
}

}  // namespace memlong::train_tool
