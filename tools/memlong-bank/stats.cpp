#include <map>

#include <nlohmann/json.hpp>

#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {
namespace {

struct SpaceCounts {
  int64_t texts = 0;
  int64_t dialogs = 0;
  int64_t unfinished = 0;
  int64_t chunks = 0;
  int64_t tokens = 0;
};

/// Tokens of documents, those among them that are in no whole chunk yet or were pruned.
int64_t document_tokens(const std::map<std::string, SpaceCounts>& spaces) {
  int64_t tokens = 0;
  for (const auto& [name, counts] : spaces) tokens += counts.tokens;
  return tokens;
}

std::map<std::string, SpaceCounts> count_spaces(const membank::Snapshot& snapshot) {
  std::map<std::string, SpaceCounts> spaces;
  for (const membank::Document& document : snapshot.documents()) {
    SpaceCounts& counts = spaces[document.name_space];
    const bool dialog = document.kind == membank::DocumentKind::dialog;
    ++(dialog ? counts.dialogs : counts.texts);
    if (!dialog && !document.complete) ++counts.unfinished;
    counts.chunks += document.chunks;
    counts.tokens += document.tokens;
  }
  return spaces;
}

nlohmann::ordered_json stats_json(const membank::Bank& bank, const membank::Snapshot& snapshot) {
  const membank::BankStats stats = snapshot.stats();
  const membank::Fingerprint& print = bank.fingerprint();
  nlohmann::ordered_json json = {{"documents", stats.documents},
                                 {"chunks", stats.chunks},
                                 {"tokens", stats.tokens},
                                 {"document_tokens", document_tokens(count_spaces(snapshot))},
                                 {"bytes", stats.bytes},
                                 {"used_bytes", stats.used_bytes},
                                 {"generation", stats.generation},
                                 {"fingerprint", print.digest()},
                                 {"tokenizer", print.tokenizer},
                                 {"writer", print.writer},
                                 {"memory_layer", print.memory_layer},
                                 {"kv_heads", print.kv_heads},
                                 {"head_dim", print.head_dim},
                                 {"chunk_tokens", print.chunk_tokens},
                                 {"kv_dtype", dtype_name(print.kv_dtype)},
                                 {"embedder", print.embedder},
                                 {"embedder_dim", print.embedder_dim},
                                 {"model", snapshot.blob("model")}};
  if (const std::string encoder = snapshot.blob("encoder"); !encoder.empty()) {
    json["encoder"] = encoder;
  }
  json["namespaces"] = nlohmann::ordered_json::array();
  for (const auto& [name, counts] : count_spaces(snapshot)) {
    json["namespaces"].push_back({{"name", name},
                                  {"texts", counts.texts},
                                  {"dialogs", counts.dialogs},
                                  {"unfinished", counts.unfinished},
                                  {"chunks", counts.chunks},
                                  {"tokens", counts.tokens}});
  }
  return json;
}

std::string stats_text(const membank::Bank& bank, const membank::Snapshot& snapshot) {
  using tools::escape_terminal;
  using tools::group_digits;
  const membank::BankStats stats = snapshot.stats();
  const membank::Fingerprint& print = bank.fingerprint();
  const auto size = [](int64_t bytes) { return tools::human_bytes(static_cast<double>(bytes)); };
  const std::string model = snapshot.blob("model");
  const std::string encoder = snapshot.blob("encoder");
  const auto spaces = count_spaces(snapshot);
  std::string tokens = group_digits(document_tokens(spaces));
  if (document_tokens(spaces) != stats.tokens) {
    tokens += ", " + group_digits(stats.tokens) + " of them in chunks";
  }
  std::string out = tools::key_values(
      {{"documents", group_digits(stats.documents)},
       {"chunks", group_digits(stats.chunks)},
       {"tokens", tokens},
       {"on disk", size(stats.bytes) + ", " + size(stats.used_bytes) + " of it in use"},
       {"generation", std::to_string(stats.generation)},
       {"fingerprint", print.digest()},
       {"memory", "layer " + std::to_string(print.memory_layer) + ", " +
                      counted(print.kv_heads, "head") + " of " + std::to_string(print.head_dim) +
                      ", " + std::string(dtype_name(print.kv_dtype)) + ", chunks of " +
                      counted(print.chunk_tokens, "token")},
       {"embedder", escape_terminal(print.embedder) + ", " +
                        counted(print.embedder_dim, "dimension") +
                        (encoder.empty() ? "" : ", from " + escape_terminal(encoder))},
       {"model", model.empty() ? "not known" : escape_terminal(model)}});
  tools::Table table({"namespace", ">texts", ">dialogs", ">unfinished", ">chunks", ">tokens"});
  for (const auto& [name, counts] : spaces) {
    table.row({tools::one_line(name, 40), group_digits(counts.texts), group_digits(counts.dialogs),
               group_digits(counts.unfinished), group_digits(counts.chunks),
               group_digits(counts.tokens)});
  }
  if (table.rows() > 0) out += "\n" + table.text();
  return out;
}

}  // namespace

int run_stats(const BankArguments& arguments) {
  const auto bank = open_bank(arguments.bank, membank::OpenMode::read);
  const auto snapshot = bank->snapshot();
  if (arguments.common.json) {
    tools::print_json(stats_json(*bank, *snapshot));
  } else {
    tools::print_out(stats_text(*bank, *snapshot));
  }
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
