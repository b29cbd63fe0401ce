#include "tools/memlong-bench/arguments.h"

#include <algorithm>

#include "tools/memlong-bench/shapes.h"

namespace memlong::bench_tool {
namespace {

constexpr double kMost = 1e9;

constexpr const char* kEpilog =
    "Rows\n"
    "  Every figure is a median and stands beside a floor: what the machine itself did between "
    "the\n"
    "  runs, in the same unit. share = value / floor.\n"
    "  matmul      the floors: the rate of a large matmul; all threads reading 512 MiB (on a GPU\n"
    "  read, copy  the driver's copy on the device, bytes read and bytes written)\n"
    "  ppT         T tokens read at once, logits of the last. Floor: the rate of a large matmul "
    "of\n"
    "              the same dtype over L*(2*P*T + 4*H*D*T*(T+1)/2) + R*4*H*D*T*M + 2*C*V\n"
    "              operations, P = C*(H*D + 2*G*D) + H*D*C + 3*C*F\n"
    "  tgN         N tokens one after the other from an empty window. Floor: all threads reading "
    "as\n"
    "              many bytes as a token needs: weights, cached keys and values, memory\n"
    "              (on a GPU always that copy of as many bytes)\n"
    "  tgN@D       the same behind D other tokens\n"
    "  tgNxB       N tokens of each of B streams, one of each in a pass; tokens of all count. "
    "Floor:\n"
    "              B times what reading weights once, keys and values of all B allows. times: "
    "of\n"
    "              the rate of the first B\n"
    "  ppT+mM      the same with M tokens of memory read by the R reading layers\n"
    "  load-first  start from a model folder that is not in the page cache: weights are packed\n"
    "              and kept (--packed-cache, here in a folder of its own). Floor: reading the\n"
    "              model's files\n"
    "  load-again  a second start, with what was kept. Floor: the same as the first's\n"
    "  load-cold   the same when it is not in the page cache. Floor: the same\n"
    "  attentionT  attention of one layer. Floor: the matmul rate (T > 1), reading as many bytes "
    "(1)\n"
    "  attentionT+mM:m0  Floor: the same call without memory, slowed down by the operations "
    "(T > 1)\n"
    "              or bytes (T = 1) that memory adds\n"
    "  opT:NAME    one operator over all layers, of a pass of T tokens. Floor: matmul rate or\n"
    "              reading, whichever takes longer. part: of the time of the whole pass;\n"
    "              gflop, mib: what the floor is reckoned from\n"
    "  trainBxW+mM a step of training the layers from m on: B windows of W tokens, each token "
    "reads\n"
    "              M of constant memory; AdamW. Floor: the matmul rate over the operations that "
    "are\n"
    "              needed at least (tools/memlong-bench/work.h)\n"
    "  ingest      text into a fresh bank, with all stages of memlong-ingest. Floor: the matmul "
    "rate\n"
    "              over m*(2*P + 4*H*D*(W+1)/2) + 4*C*G*D operations a token (the tokens that\n"
    "              overlapping windows read twice count once)\n"
    "  ingest:pp   the same, tokens counted as often as windows read them. Floor: L/m times the\n"
    "              rate of a prompt of one window\n"
    "  dialog-N    tokens of an answer after N tokens of dialog, with windows, retrieval and\n"
    "              sampling, a window's worth of them. Floor: the same in the shortest dialog; of\n"
    "              that one, reading as many bytes. read_seconds: to read the N tokens;\n"
    "              device_mib: of the GPU's memory that is taken then, by whomever,\n"
    "              from the second length on with the shortest dialog beside it\n"
    "  bank-write  chunks into a fresh bank, synced. Floor: a plain file of the same bytes, "
    "synced\n"
    "  bank-read   all keys and values of a bank, checked. Floor: memcpy of the same bytes\n"
    "  gather-K    keys and values of K chunks anywhere in a bank. Floor: memcpy of as many pieces "
    "of\n"
    "              the same size\n"
    "  search-N    queries over N vectors, one after the other. Floor: all threads reading as "
    "many\n"
    "              bytes\n"
    "  search-N:gpu, search-N:gpu-f16  the same on the GPU, where FAISS for GPUs was built. "
    "Floor:\n"
    "              that copy of as many bytes. at_once: 64 queries in one call; same: the share "
    "of\n"
    "              queries with the processor's hits and scores\n"
    "  hnsw-N      the same by HNSW. Floor: the exact search\n"
    "  L layers, m memory layer, C hidden, F ffn, H heads, G kv heads, D head dim, V vocabulary,\n"
    "  W window.\n"
    "\n"
    "Example\n"
    "  memlong-bench --shape openllama-3b --prompt 512,2048 --tests prefill,decode\n";

}  // namespace

bool BenchArguments::wants(const std::string& test) const {
  return std::find(tests.begin(), tests.end(), test) != tests.end();
}

void add_options(tools::OptionSet& options, BenchArguments& arguments) {
  options.group("What is measured");
  options.add("shape", &arguments.shape, "random weights of a well-known shape; needs no --model")
      .choices(shape_names());
  options.add("tests", &arguments.tests, "which tests")
      .choices({"machine", "load", "prefill", "decode", "together", "attention", "profile", "train",
                "ingest", "dialog", "bank", "gather", "search"});
  options.add("prompt", &arguments.prompt, "tokens of a prompt").short_name('p').range(1, kMost);
  options.add("generate", &arguments.generate, "tokens to generate")
      .short_name('n')
      .range(1, kMost);
  options.add("depth", &arguments.depth, "tokens before those that are generated").range(0, kMost);
  options.add("memory", &arguments.memory, "memory tokens that each token reads").range(0, kMost);
  options.add("streams", &arguments.streams, "streams that are decoded at once").range(1, 64);
  options.add("ingest", &arguments.ingest_tokens, "tokens to ingest; 0: about two seconds of them")
      .range(0, kMost);
  options.add("dialog", &arguments.dialog, "lengths of a dialog, in tokens").range(64, kMost);
  options.add("message", &arguments.message, "tokens of a message of the dialog").range(1, kMost);
  options.add("train-rows", &arguments.train_rows, "windows of a training step").range(1, 4096);
  options
      .add("windows", &arguments.windows,
           "windows that an ingest reads at once; 0: as memlong-ingest chooses")
      .range(0, 4096);
  options.add("bank-mib", &arguments.bank_mib, "size of the bank to write and read")
      .range(1, 1 << 20);
  options.add("gather-mib", &arguments.gather_mib, "size of the bank to gather chunks from")
      .range(1, 1 << 20);
  options.add("vectors", &arguments.vectors, "vectors to search").range(1, kMost);
  options
      .add("hnsw-vectors", &arguments.hnsw_vectors,
           "HNSW too, over no more vectors than these (to build it takes long)")
      .range(0, kMost);
  options.add("repeat", &arguments.repeat, "runs of each test").short_name('r').range(1, 1000);
  options
      .add("matmul-side", &arguments.matmul_side,
           "side of the matrix whose product is the floor; 0: 4096, on a GPU 8192")
      .range(0, 1 << 16);
  options.add("folder", &arguments.folder, "where banks are written, and removed again")
      .value("DIR")
      .default_text("the folder for temporary files");
  tools::add_model_options(options, arguments.common);
  tools::add_packed_cache_option(options, arguments.common);
  tools::add_memory_options(options, arguments.common);
  tools::add_output_options(options, arguments.common);
  options.add("output", &arguments.output, "form of the table").choices({"md", "csv", "json"});
  options.epilog(kEpilog);
}

void finish_arguments(const tools::OptionSet& options, BenchArguments& arguments) {
  if (arguments.shape.empty() == arguments.common.model.empty()) {
    options.fail_usage("give --model DIR or --shape NAME, one of them");
  }
  if (arguments.wants("load") && arguments.common.model.empty()) {
    options.fail_usage("--tests load needs --model: a shape has no files");
  }
  if (arguments.common.json) arguments.output = "json";
  arguments.top_k = arguments.common.top_k.value_or(arguments.top_k);
  if (arguments.folder.empty()) arguments.folder = std::filesystem::temp_directory_path();
}

}  // namespace memlong::bench_tool
