// The options of `memlong-train run`, each of which is a key of a recipe.
#include "tools/memlong-train/arguments.h"

namespace memlong::train_tool {
namespace {

using tools::OptionSet;

constexpr double kMost = 1e15;

void add_what(OptionSet& run, Recipe& recipe) {
  run.group("What is trained");
  run.add("train", &recipe.words.part, "what learns, as told below")
      .choices({"upper", "lora", "all"});
  run.add("init", &recipe.words.init,
          "the weights to begin with; random needs no model.safetensors")
      .choices({"model", "random"});
  run.add("seed", &recipe.seed, "of everything that is left to chance");
  run.add("tune-memory-layer", &recipe.network.memory_layer,
          "upper, lora: the memory layer's q, o, MLP and second norm learn too");
  run.add("tune-head", &recipe.network.head, "upper: a head that is not tied learns too");
  run.add(
      "recompute", &recipe.network.recompute,
      "keep only each layer's input and compute the rest again: less memory, a third more work");
  run.add("lora-rank", &recipe.network.lora.rank, "rank of LoRA").range(1, 65536);
  run.add("lora-alpha", &recipe.network.lora.alpha, "LoRA is scaled by alpha / rank")
      .range(0, kMost);
  run.add("lora-targets", &recipe.network.lora.targets, "projections that get LoRA");
  run.add("lora-norms", &recipe.network.lora.norms, "lora: norms learn too, in full");
}

void add_steps(OptionSet& run, Recipe& recipe) {
  train::TrainerOptions& trainer = recipe.trainer;
  train::OptimizerOptions& optimizer = recipe.optimizer;
  run.group("Steps");
  run.add("steps", &trainer.steps, "steps of the whole run").range(1, kMost);
  run.add("accumulate", &trainer.accumulate, "batches of a step").range(1, 1e6);
  run.add("optimizer", &recipe.words.optimizer, "of matrices; AdamW takes what Muon does not")
      .choices({"adamw", "muon"});
  run.add("lr", &optimizer.lr, "largest learning rate").range(0, 10);
  run.add("warmup", &optimizer.warmup, "steps from 0 to lr").range(0, kMost);
  run.add("decay", &recipe.words.decay, "how lr falls after that")
      .choices({"constant", "linear", "cosine"});
  run.add("lr-end", &optimizer.lr_end, "share of lr at the last step").range(0, 1);
  // At 1 a mean never learns, and without eps 0 is divided by 0.
  constexpr double kBelowOne = 0.999999;
  run.add("beta1", &optimizer.beta1, "adamw: of the mean").range(0, kBelowOne);
  run.add("beta2", &optimizer.beta2, "adamw: of the squares").range(0, kBelowOne);
  run.add("eps", &optimizer.eps, "adamw: added to the divisor").range(1e-30, 1);
  run.add("momentum", &optimizer.momentum, "muon: of the mean").range(0, kBelowOne);
  run.add("weight-decay", &optimizer.weight_decay, "of matrices, not of embedding, head and LoRA")
      .range(0, 100);
  run.add("clip", &optimizer.clip, "largest norm of the gradient; 0: any").range(0, kMost);
  run.add("spike", &trainer.spike,
          "a step is skipped when its gradient is so many times larger than usual; 0: never")
      .range(0, kMost);
  run.add("give-up", &trainer.give_up, "so many skipped steps in a row are an error")
      .range(1, kMost);
}

void add_data(OptionSet& run, Recipe& recipe) {
  train::DataOptions& data = recipe.data;
  Words& words = recipe.words;
  run.group("Data");
  run.add("data", &words.data, "training data; repeat it to mix several")
      .value("KIND:PATH")
      .verbatim()
      .required();
  run.add("form", &words.form, "how items are cut from the data, as told below")
      .choices({"plain", "pairs", "streams"})
      .default_text("streams; with --train all plain");
  run.add("rows", &data.rows, "sequences of a batch").range(1, 1e6);
  run.add("span", &words.span, "plain, pairs: tokens of a span").value("SCHEDULE");
  run.add("past", &words.past, "pairs: tokens of the past").value("SCHEDULE");
  run.add("gap", &words.gap, "pairs of text: tokens between the two, at most").value("SCHEDULE");
  run.add("distractors", &words.distractors,
          "pairs: pasts of other items that are read too; streams: chunks of other rows")
      .value("SCHEDULE");
  run.add("without-memory", &words.without_memory, "share of items that read no memory")
      .value("SCHEDULE");
  run.add("memory-chunks", &words.memory_chunks,
          "streams: only the newest so many chunks are searched; 0: all")
      .value("SCHEDULE");
  run.add("stretch", &data.stretch, "streams: tokens of a text that a row walks; 0: all of it")
      .range(0, kMost);
  run.add("random-position", &data.random_position,
          "plain, pairs: spans begin anywhere in a window");
  run.add("weight-text", &data.weights.text, "loss weight of texts").range(0, kMost);
  run.add("weight-user", &data.weights.user, "of turns of user and system").range(0, kMost);
  run.add("weight-assistant", &data.weights.assistant, "of turns of the assistant").range(0, kMost);
  run.add("weight-answer", &data.weights.answer, "of answers that a probe names").range(0, kMost);
  run.add("weight-reply", &data.weights.reply,
          "of the rest of such a reply and its end; -1: as weight-assistant")
      .range(-1, kMost);
}

void add_evaluation(OptionSet& run, Recipe& recipe) {
  run.group("Evaluation");
  run.add("eval-data", &recipe.words.eval_data, "held-out data; of one name several are one set")
      .value("NAME=KIND:PATH")
      .verbatim();
  run.add("eval-every", &recipe.trainer.evaluate_every, "steps between evaluations; 0: none")
      .range(0, kMost);
  run.add("eval-batches", &recipe.trainer.evaluate_batches, "batches of an evaluation")
      .range(1, kMost);
}

void add_results(OptionSet& run, Recipe& recipe) {
  run.group("Results");
  run.add("out", &recipe.trainer.out, "folder of the run").value("DIR").required();
  run.add("fresh", &recipe.fresh, "refuse to go on with a run that is in --out");
  run.add("save-every", &recipe.trainer.save_every, "steps between checkpoints; 0: at the end")
      .range(0, kMost);
  run.add("keep", &recipe.trainer.keep, "checkpoints that stay").range(1, kMost);
  run.add("save-dtype", &recipe.save_dtype, "dtype of adapter or model at the end")
      .choices({"bf16", "f32"});
  run.add("tensorboard", &recipe.tensorboard, "write event files");
  run.add("peak", &recipe.peak, "measure the matmul peak for half a second at the start");
}

}  // namespace

void add_run_options(OptionSet& run, Recipe& recipe) {
  add_what(run, recipe);
  add_data(run, recipe);
  add_steps(run, recipe);
  add_evaluation(run, recipe);
  add_results(run, recipe);
}

}  // namespace memlong::train_tool
