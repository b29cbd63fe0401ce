#include "tools/common/talk_options.h"

#include <limits>

#include "common/log.h"
#include "membank/retention.h"
#include "tools/common/device_option.h"
#include "tools/common/index_device.h"
#include "tools/common/size.h"

namespace memlong::tools {

void add_scope_options(OptionSet& set, TalkOptions& o) {
  set.add("namespace", &o.name_space, "namespace of the session").value("NAME");
  set.add("read", &o.read, "read everything in this namespace (may be repeated)")
      .value("NAMESPACE");
  set.add("read-all", &o.read_all, "read the whole bank");
  set.add("document", &o.documents, "read this document (may be repeated)").value("ID");
}

void add_reading_options(OptionSet& set, TalkOptions& o) {
  set.add("memory", &o.memory, "--no-memory: answer from the window alone");
  set.add("cached-chunks", &o.cached_chunks,
          "chunks whose keys and values stay at hand where the network runs")
      .range(0, 1e9)
      .default_text("0; on a GPU those of the last 16 retrievals, where they fit");
}

void add_bank_options(OptionSet& set, TalkOptions& o) {
  set.add("index", &o.index, "exact search, or a graph for very large banks")
      .value("KIND")
      .choices({"flat", "hnsw"});
  set.add("index-device", &o.index_device,
          "where a flat index is searched: cpu, cuda, cuda:N; auto: where the network computes")
      .value("NAME");
  set.add("index-half", &o.index_half, "on a GPU: half of the memory, the same results");
  set.add("index-memory", &o.index_memory,
          "most memory of a GPU for the index, as 2GiB; default: half of what is free")
      .value("SIZE");
  set.add("retain", &o.retain, "what goes when the budget is passed")
      .value("RULE")
      .choices({"none", "memlong", "fifo", "lru"});
  set.add("budget-chunks", &o.budget_chunks, "most chunks in the bank, 0: no limit").range(0, 1e18);
  set.add("budget-bytes", &o.budget_bytes,
          "most bytes of chunks in the bank, as 1500000 or 2GiB; 0: no limit")
      .size()
      .range(0, 1e18);
}

void add_sampling_options(OptionSet& set, TalkOptions& o) {
  ops::SamplingOptions& s = o.generate.sampling;
  set.group("Answers");
  set.add("predict", &o.predict, "most tokens of an answer, -1: no limit")
      .short_name('n')
      .range(-1, 1e15);
  set.add("stop", &o.generate.stop, "text that ends an answer (may be repeated)")
      .value("TEXT")
      .verbatim();
  set.add("greedy", &o.greedy, "always the likeliest token (as --temp 0)");
  set.add("seed", &o.seed, "of the draws, -1: another one each time").range(-1, 9e18);
  set.add("temp", &s.temperature, "temperature").range(0, 1e6);
  set.add("top-k", &s.top_k, "draw from the k likeliest, 0: off").range(0, 2e9);
  set.add("top-p", &s.top_p, "draw from the likeliest that have this share, 1: off").range(0, 1);
  set.add("min-p", &s.min_p, "least probability beside the likeliest, 0: off").range(0, 1);
  set.add("typical-p", &s.typical_p, "locally typical sampling, 1: off").range(0, 1);
  set.add("top-n-sigma", &s.top_n_sigma, "standard deviations below the best logit, -1: off")
      .range(-1, 1e6);
  set.add("repeat-penalty", &s.repeat_penalty, "on tokens that were there, 1: off").range(0, 1e6);
  set.add("repeat-last-n", &s.repeat_last_n, "tokens that count as there, 0: off, -1: all")
      .range(-1, 2e9);
  set.add("frequency-penalty", &s.frequency_penalty, "on each time a token was there, 0: off")
      .range(-1e6, 1e6);
  set.add("presence-penalty", &s.presence_penalty, "on tokens that were there at all, 0: off")
      .range(-1e6, 1e6);
}

void check_talk_options(const OptionSet& set, const TalkOptions& o) {
  const bool reads = !o.read.empty() || o.read_all || !o.documents.empty();
  if (reads && o.bank.empty()) set.fail_usage("--read, --read-all and --document need --bank DIR");
  const bool limited = o.budget_chunks > 0 || o.budget_bytes > 0;
  if (o.retain != "none" && !limited) {
    set.fail_usage("--retain " + o.retain + " needs --budget-chunks or --budget-bytes");
  }
  if (o.retain == "none" && limited) {
    set.fail_usage("a budget needs --retain memlong, fifo or lru");
  }
  const IndexDeviceRequest searched = parse_index_device(o.index_device);
  if (searched.gpu && o.index != "flat") {
    set.fail_usage("--index-device " + o.index_device + " needs --index flat");
  }
  if (!o.index_memory.empty()) (void)parse_size(o.index_memory, "--index-memory");
  for (const int64_t id : o.documents) {
    if (id <= 0) set.fail_usage("--document " + std::to_string(id) + " is no document's number");
  }
}

void finish_talk_options(TalkOptions& talk) {
  if (talk.greedy) talk.generate.sampling.temperature = 0.0F;
  talk.generate.max_tokens =
      talk.predict < 0 ? std::numeric_limits<int64_t>::max() / 2 : talk.predict;
}

engine::SessionOptions session_options(const TalkOptions& options) {
  engine::SessionOptions result;
  result.name_space = options.name_space;
  result.use_memory = options.memory;
  result.save = options.save;
  result.cached_chunks = options.cached_chunks.value_or(0);
  result.retention = {.policy = membank::parse_retention(options.retain),
                      .chunks = options.budget_chunks,
                      .bytes = options.budget_bytes};
  result.seed = engine::session_seed(options.seed);
  return result;
}

retriever::IndexOptions index_options(const TalkOptions& options) {
  retriever::IndexOptions result;
  result.kind = retriever::parse_index_kind(options.index);
  result.threads = options.common.threads;
  const bool follows = parse_index_device(options.index_device).automatic;
  const DeviceChoice network = follows ? choose_device(options.common.device) : DeviceChoice{};
  const IndexDeviceChoice choice = choose_index_device(options, network);
  if (!choice.warning.empty()) log::warn(choice.warning);
  result.device = choice.device;
  return result;
}

}  // namespace memlong::tools
