// memlong-eval: how well a model reads its memory.
#include "tools/common/run.h"
#include "tools/memlong-eval/arguments.h"

namespace memlong::eval_tool {
namespace {

using tools::OptionSet;

void add_ppl(OptionSet& options, Arguments& a) {
  OptionSet& ppl = options.command(
      "ppl", "Perplexity of the same last tokens for every length of the context before them.");
  ppl.add("text", &a.texts, "texts to read").value("FILE...").existing().required();
  ppl.add("lengths", &a.lengths,
          "tokens of context, the last tokens included; 'all': from the start")
      .value("N,...");
  ppl.add(
         "memory", &a.memory,
         "what is read of what lies before the window: on (the top-k chunks), off, random (as many "
         "random chunks), all (every chunk: dense attention to the whole past)")
      .value("MODE,...");
  ppl.add("query", &a.query,
          "past: the chunk before; self: the text that is scored itself, as MemLong's published "
          "test "
          "did. self sees the future: for comparison only")
      .choices({"past", "self"});
  ppl.add("last", &a.last, "tokens that are scored").range(1, 1e6);
  ppl.add("places", &a.places, "places in every text").range(1, 1e6);
  ppl.add("seed", &a.seed, "of --memory random");
}

void add_recall(OptionSet& options, Arguments& a) {
  OptionSet& recall =
      options.command("recall", "Facts of long dialogs: found again, and answered exactly?");
  recall.add("dialogs", &a.dialogs, "JSON lines of {\"turns\": [...], \"probes\": [...]}")
      .value("FILE...")
      .existing()
      .required();
  recall
      .add(
          "protocol", &a.protocol,
          "question: each question stands in a window that begins 256 tokens before the end of its "
          "answer; session: the dialog is read from start to end")
      .choices({"question", "session"});
  recall.add("no-memory", &a.no_memory, "read nothing that lies before the window");
  recall.add("oracle", &a.oracle,
             "the chunks that state the fact are handed over, the rest of a set is retrieved: what "
             "reading alone can do");
  recall.add("dense", &a.dense, "every chunk before the window is read, whatever top-k says");
  recall.add("limit", &a.limit, "at most so many dialogs of each file; 0: all").range(0, 1e9);
  recall.add("rows", &a.rows, "also write a JSON line for every question").value("FILE");
}

void add_logits(OptionSet& options, Arguments& a) {
  OptionSet& logits = options.command(
      "logits", "Logits, hidden states and the memory layer's keys and values of some tokens.");
  logits.add("ids", &a.ids, "token ids with white space between them")
      .value("FILE")
      .existing()
      .required();
  logits.add("out", &a.out, "safetensors file to write").value("FILE").required();
}

int eval_main(int argc, char** argv) {
  Arguments arguments;
  OptionSet options("memlong-eval", "Measures a model with its memory.");
  tools::add_model_options(options.group("Model"), arguments.common);
  tools::add_packed_cache_option(options, arguments.common);
  tools::add_memory_options(options.group("Memory"), arguments.common);
  tools::add_output_options(options.group("Output"), arguments.common);
  add_ppl(options, arguments);
  add_recall(options, arguments);
  add_logits(options, arguments);
  if (!options.parse(argc, argv)) return tools::kExitOk;
  tools::apply_output_options(arguments.common);
  if (arguments.common.model.empty()) options.fail_usage("--model DIR is missing");
  if (options.chosen() == "ppl") return run_ppl(arguments);
  if (options.chosen() == "recall") return run_recall(arguments);
  if (options.chosen() == "logits") return run_logits(arguments);
  options.fail_usage("one of the commands ppl, recall, logits is needed");
}

}  // namespace
}  // namespace memlong::eval_tool

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::eval_tool::eval_main);
}
