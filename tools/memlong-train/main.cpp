// memlong-train: teaches a model to read its memory, and all that goes with it.
#include "tools/common/run.h"
#include "tools/memlong-train/arguments.h"

namespace memlong::train_tool {
namespace {

int train_main(int argc, char** argv) {
  Arguments arguments;
  tools::OptionSet options("memlong-train",
                           "Trains a model with memory: its upper layers, LoRA, or all of it.");
  add_options(options, arguments);
  if (!options.parse(argc, argv)) return tools::kExitOk;
  tools::apply_output_options(arguments.common);
  const std::string command = options.chosen();
  if (command == "run") {
    finish_recipe(options, arguments);
    return run_training(options, arguments);
  }
  if (command == "export") return export_run(arguments);
  if (command == "plot") return plot_runs(arguments);
  if (command == "merge") return merge_adapter(arguments);
  return write_sif(arguments);
}

}  // namespace
}  // namespace memlong::train_tool

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::train_tool::train_main);
}
