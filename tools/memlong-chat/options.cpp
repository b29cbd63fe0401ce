#include "tools/memlong-chat/options.h"

#include <cstdlib>
#include <limits>

#include "common/log.h"
#include "membank/retention.h"
#include "tools/common/device_option.h"
#include "tools/common/size.h"
#include "tools/memlong-chat/index_device.h"

namespace memlong::tools {

namespace {

constexpr const char* kEpilog = R"(Examples:
  memlong-chat --model models/reference
  memlong-chat --model models/reference --bank my.bank --session anna
  memlong-chat --model models/reference --bank my.bank --session anna --dialog talk.json
  memlong-chat --model models/reference --bank my.bank --session anna --prompt "Where is my hat?"

A dialog file is {"turns": [{"role": "user", "content": "..."}, ...]} (or "messages"), one object
or one a line, or plain text with "User:", "Assistant:" and "System:" in front of each message.
Turns that the session knows already are skipped.

Without --bank the memory lasts as long as the process. Without --session the bank is read and
nothing is kept. A session remembers its own dialog and reads the texts of its namespace; --read,
--read-all and --document say otherwise.
)";

void add_memory(OptionSet& set, ChatOptions& o) {
  set.group("Memory");
  set.add("bank", &o.bank, "folder of the bank; made when it is not there and --session is given")
      .value("DIR");
  set.add("session", &o.session, "name under which the dialog is kept, and taken up again")
      .value("NAME");
  set.add("namespace", &o.name_space, "namespace of the session").value("NAME");
  set.add("read", &o.read, "read everything in this namespace (may be repeated)")
      .value("NAMESPACE");
  set.add("read-all", &o.read_all, "read the whole bank");
  set.add("document", &o.documents, "read this document (may be repeated)").value("ID");
  set.add("memory", &o.memory, "--no-memory: answer from the window alone");
  set.add("cached-chunks", &o.cached_chunks,
          "chunks whose keys and values stay at hand where the network runs")
      .range(0, 1e9)
      .default_text("0; on a GPU those of the last 16 retrievals, where they fit");
  set.add("save", &o.save, "--no-save: read the session, and keep nothing of what is said now");
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
  set.add("budget-bytes", &o.budget_bytes, "most bytes of chunks in the bank, 0: no limit")
      .range(0, 1e18);
}

void add_talk(OptionSet& set, ChatOptions& o) {
  set.group("Talk");
  set.add("system", &o.system, "system prompt of a new dialog").value("TEXT");
  set.add("prompt", &o.prompt, "answer this and exit; - reads standard input").value("TEXT");
  set.add("dialog", &o.dialog, "read this dialog into the session, without answering")
      .value("FILE");
  set.add("interactive", &o.interactive, "go on at the prompt after --dialog or --prompt")
      .short_name('i');
  set.add("history", &o.history, "file of the lines that were typed; \"\": none").value("FILE");
}

void add_sampling(OptionSet& set, ChatOptions& o) {
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

void check(const OptionSet& set, const ChatOptions& o) {
  if (!o.session.empty() && o.bank.empty()) set.fail_usage("--session needs --bank DIR");
  const bool reads = !o.read.empty() || o.read_all || !o.documents.empty();
  if (reads && o.bank.empty()) set.fail_usage("--read, --read-all and --document need --bank DIR");
  if (o.prompt && o.prompt->empty()) set.fail_usage("--prompt is empty");
  if (o.common.json && o.talks()) set.fail_usage("--json needs --prompt or --dialog");
  if (!o.dialog.empty() && !o.prompt && !o.interactive && !o.keeps()) {
    set.fail_usage(
        "--dialog alone keeps nothing here: add --bank and --session, --prompt, or --interactive");
  }
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

}  // namespace

bool parse_chat_options(int argc, char** argv, ChatOptions& options) {
  OptionSet set("memlong-chat", "Talk with a model that remembers.");
  add_model_options(set, options.common);
  add_packed_cache_option(set, options.common);
  add_memory(set, options);
  add_talk(set, options);
  add_sampling(set, options);
  add_memory_options(set, options.common, "memory-top-k");
  add_output_options(set, options.common);
  set.epilog(kEpilog);
  if (!set.parse(argc, argv)) return false;
  check(set, options);
  apply_output_options(options.common);
  if (options.greedy) options.generate.sampling.temperature = 0.0F;
  options.generate.max_tokens =
      options.predict < 0 ? std::numeric_limits<int64_t>::max() / 2 : options.predict;
  return true;
}

engine::SessionOptions session_options(const ChatOptions& options) {
  engine::SessionOptions result;
  result.name = options.session;
  result.name_space = options.name_space;
  result.use_memory = options.memory;
  result.save = options.save;
  result.cached_chunks = options.cached_chunks.value_or(0);
  result.retention = {.policy = membank::parse_retention(options.retain),
                      .chunks = options.budget_chunks,
                      .bytes = options.budget_bytes};
  // The session takes 0 as "from the system"; the user's 0 is a seed like any other.
  constexpr uint64_t kSeedZero = 0x9E3779B97F4A7C15U;
  if (options.seed >= 0) {
    result.seed = options.seed == 0 ? kSeedZero : static_cast<uint64_t>(options.seed);
  }
  return result;
}

retriever::IndexOptions index_options(const ChatOptions& options) {
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

std::filesystem::path history_file(const ChatOptions& options) {
  if (options.history) return *options.history;
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') {
    return std::filesystem::path(state) / "memlong" / "chat_history";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return std::filesystem::path(home) / ".local" / "state" / "memlong" / "chat_history";
}

}  // namespace memlong::tools
