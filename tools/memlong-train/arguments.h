// The options of memlong-train.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/model_options.h"
#include "tools/common/options.h"
#include "train/data_options.h"
#include "train/network.h"
#include "train/optimizer.h"
#include "train/sif_learning.h"
#include "train/trainer.h"

namespace memlong::train_tool {

/// Held-out data of one name.
struct EvaluationData {
  std::string name;
  std::vector<train::DataEntry> entries;
};

/// Options that are words here and something else in the library's structs.
struct Words {
  std::string part = "upper";
  std::string init = "model";
  std::string form;  ///< empty: streams with upper and lora, plain with all
  std::string optimizer = "adamw";
  std::string decay = "cosine";
  std::vector<std::string> data;
  std::vector<std::string> eval_data;
  std::string span = "256";
  std::string past = "256";
  std::string gap = "0";
  std::string distractors = "0";
  std::string without_memory = "0";
  std::string memory_chunks = "0";
};

/// What `memlong-train run` does.
struct Recipe {
  Words words;
  train::TrainerOptions trainer;
  train::OptimizerOptions optimizer;
  train::NetworkOptions network;
  train::DataOptions data;
  std::vector<EvaluationData> evaluations;
  bool random_init = false;
  bool fresh = false;
  uint64_t seed = 1;
  std::string save_dtype = "bf16";
  bool tensorboard = true;
  bool peak = true;
};

struct Arguments {
  tools::CommonOptions common;
  Recipe recipe;
  // merge, export, plot, sif
  std::filesystem::path run;
  std::filesystem::path out;
  std::string merge_dtype;
  double merge_share = 1.0;
  bool merge_upper = false;
  std::vector<std::filesystem::path> logs;
  std::vector<std::string> sif_data;
  std::vector<std::string> sif_eval_data;
  int64_t sif_tokens = 4'000'000;
  bool in_place = false;
  bool sif_learn = false;
  train::SifLearningOptions sif_learning;
  double smooth = 0.95;
};

/// All commands. The set fills `arguments`, which must outlive it.
void add_options(tools::OptionSet& options, Arguments& arguments);
void add_run_options(tools::OptionSet& run, Recipe& recipe);

/// After parse(), for run: words to values, paths made absolute, what one option alone cannot
/// tell. Errors: usage.
void finish_recipe(const tools::OptionSet& options, Arguments& arguments);

/// Entries of --data with absolute paths. Errors: usage.
std::vector<train::DataEntry> parse_data(const std::vector<std::string>& words);

int run_training(const tools::OptionSet& options, Arguments& arguments);
int export_run(const Arguments& arguments);
int merge_adapter(const Arguments& arguments);
int plot_runs(const Arguments& arguments);
int write_sif(const Arguments& arguments);

}  // namespace memlong::train_tool
