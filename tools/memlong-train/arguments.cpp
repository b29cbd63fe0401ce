#include "tools/memlong-train/arguments.h"

namespace memlong::train_tool {
namespace {

using tools::OptionSet;

constexpr const char* kEpilog =
    "Example\n"
    "  memlong-train run --config configs/train/reference-stage2.toml --out runs/stage2\n"
    "  memlong-train plot runs/*/log.jsonl --out curves.svg\n"
    "  memlong-train merge --model MODEL --adapter runs/stage2/adapter --out merged\n"
    "\n"
    "Exit codes: 0 good, 1 failure, 2 usage, 130 stopped by Ctrl-C or SIGTERM (a checkpoint is\n"
    "there; the same command goes on).\n";

constexpr const char* kRunEpilog =
    "What learns (--train)\n"
    "  upper  every parameter above the writer; the writer stands still, so banks stay valid\n"
    "  lora   LoRA on the products of the same layers, and their norms\n"
    "  all    the whole network; banks of the old model will not open with the new one\n"
    "\n"
    "Items (--form)\n"
    "  plain    spans of texts and dialogs, no memory\n"
    "  pairs    a past and a later span of one document; memory with gradient (stage 1)\n"
    "  streams  documents window by window; memory is retrieved as in use (stage 2)\n"
    "\n"
    "Data\n"
    "  KIND:PATH or KIND:PATH:WEIGHT. text: a file, or all *.txt of a folder; jsonl: JSON lines "
    "with\n"
    "  a \"text\"; dialogs: JSON lines with \"messages\", or with \"turns\" and \"probes\". Items "
    "are "
    "drawn\n"
    "  in proportion to the weights.\n"
    "\n"
    "Schedules\n"
    "  A VALUE, or STEP:VALUE,... that begins with step 0: --distractors 0:0,400:2,900:6.\n"
    "\n"
    "What is written to --out\n"
    "  recipe.toml       everything in force; memlong-train run --config reads it again\n"
    "  log.jsonl         a line for each step and each evaluation\n"
    "  tensorboard/      the same for tensorboard --logdir\n"
    "  checkpoint-N/     what the run goes on from, when the same command is given again\n"
    "  adapter/, model/  at the end: upper_layers.safetensors (upper), a PEFT folder (lora), a "
    "whole\n"
    "                    model folder (all); before the end memlong-train export makes it\n";

void add_export(OptionSet& options, Arguments& a) {
  OptionSet& set =
      options.command("export", "Makes adapter or model of a run that has not come to its end.");
  set.group("Export");
  set.add("run", &a.run, "folder of the run (its --out)").value("DIR").existing().required();
  set.add("out", &a.out, "folder to write").value("DIR").required();
}

void add_plot(OptionSet& options, Arguments& a) {
  OptionSet& set = options.command("plot", "Draws the curves of runs as one SVG picture.");
  set.group("Plot");
  set.positional("logs", &a.logs, "log.jsonl of the runs, or their folders")
      .value("RUN...")
      .existing()
      .required();
  set.add("out", &a.out, "picture to write").value("FILE").required();
  set.add("smooth", &a.smooth, "share of the past in a smoothed curve; 0: as it is")
      .range(0, 0.9999);
}

void add_merge(OptionSet& options, Arguments& a) {
  OptionSet& set = options.command(
      "merge",
      "Writes a plain model folder with the adapter's weights in the model's, or the layers "
      "above the writer alone.");
  set.group("Merge");
  set.add("out", &a.out, "folder to write; must hold no model yet").value("DIR").required();
  set.add("save-dtype", &a.merge_dtype, "dtype of the weights")
      .choices({"f32", "bf16", "f16"})
      .default_text("the model's");
  set.add("share", &a.merge_share,
          "how much of the way from the model's weights to those with the adapter; 0.5: their mean")
      .range(0, 1);
  set.add(
      "upper", &a.merge_upper,
      "write upper_layers.safetensors, an adapter that every bank of the model stays valid with");
}

void add_sif(OptionSet& options, Arguments& a) {
  OptionSet& set = options.command(
      "sif", "Estimates the embedder's parameters anew and writes them as a sif.safetensors.");
  set.group("Result (one of the two)");
  set.add("out", &a.out, "file to write; must not be there yet").value("FILE");
  set.add("in-place", &a.in_place,
          "write sif.safetensors of the model, over the one that is there");
  set.group("Text");
  set.add("data", &a.sif_data, "text to estimate from, as in memlong-train run")
      .value("KIND:PATH")
      .verbatim()
      .required();
  set.add("tokens", &a.sif_tokens, "tokens that are counted at most").range(1000, 1e12);
  set.group("Learning");
  set.add("learn", &a.sif_learn,
          "learn the weights of tokens: a question shall find the chunk that told the answer, in "
          "dialogs of --data whose probes name it");
  set.add("eval-data", &a.sif_eval_data, "dialogs to measure on: the share of facts that is found")
      .value("dialogs:PATH")
      .verbatim();
  set.add("vectors", &a.sif_learning.vectors,
          "learn each token's vector too: finds more; the file then holds V x C numbers in f16");
  set.add("passes", &a.sif_learning.passes, "over all dialogs").range(1, 1000);
  set.add("batch", &a.sif_learning.dialogs, "dialogs of a step, each other's distractors")
      .range(1, 1024);
  set.add("lr", &a.sif_learning.lr, "learning rate at the start; falls to 0").range(1e-6, 10);
  set.add("vector-lr", &a.sif_learning.vector_lr, "that of the vectors").range(1e-6, 10);
  set.add("scale", &a.sif_learning.scale, "by which cosines are multiplied").range(0.1, 1000);
  set.add("seed", &a.sif_learning.seed, "order of the dialogs");
}

}  // namespace

void add_options(OptionSet& options, Arguments& arguments) {
  tools::add_model_options(options, arguments.common);
  tools::add_memory_options(options, arguments.common);
  tools::add_output_options(options, arguments.common);
  OptionSet& run = options.command("run", "Trains: a new run, or one that was stopped goes on.");
  add_run_options(run, arguments.recipe);
  run.epilog(kRunEpilog);
  add_export(options, arguments);
  add_plot(options, arguments);
  add_merge(options, arguments);
  add_sif(options, arguments);
  options.epilog(kEpilog);
}

}  // namespace memlong::train_tool
