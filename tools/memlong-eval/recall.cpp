// memlong-eval recall: shares, by distance, as a table or JSON.
#include <array>
#include <fstream>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tools/common/open_model.h"
#include "tools/common/output.h"
#include "tools/common/progress.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-eval/arguments.h"
#include "tools/memlong-eval/recall_run.h"
#include "tools/memlong-eval/text_memory.h"

namespace memlong::eval_tool {
namespace {

/// Counts over questions of one kind.
struct Tally {
  int64_t questions = 0;
  int64_t retrieved = 0;
  int64_t exact = 0;
  int64_t exact_and_retrieved = 0;
  int64_t contains = 0;

  void add(const Outcome& outcome) {
    ++questions;
    retrieved += outcome.retrieved ? 1 : 0;
    exact += outcome.exact ? 1 : 0;
    exact_and_retrieved += outcome.exact && outcome.retrieved ? 1 : 0;
    contains += outcome.contains ? 1 : 0;
  }
};

nlohmann::ordered_json share(int64_t part, int64_t whole) {
  if (whole == 0) return nullptr;
  return static_cast<double>(part) / static_cast<double>(whole);
}

void put(nlohmann::ordered_json& json, const Tally& tally) {
  json["questions"] = tally.questions;
  json["retrieved"] = share(tally.retrieved, tally.questions);
  json["exact"] = share(tally.exact, tally.questions);
  json["exact_if_retrieved"] = share(tally.exact_and_retrieved, tally.retrieved);
  json["contains"] = share(tally.contains, tally.questions);
}

struct Distance {
  const char* name;
  int64_t below;
};
constexpr std::array<Distance, 6> kDistances = {{{"0-1k", 1024},
                                                 {"1k-4k", 4096},
                                                 {"4k-16k", 16384},
                                                 {"16k-64k", 65536},
                                                 {"64k-256k", 262144},
                                                 {"256k+", INT64_MAX}}};

struct Report {
  Tally told;
  Tally never_told;
  std::array<Tally, kDistances.size()> by_distance;

  void add(const Outcome& outcome) {
    if (!outcome.asked) return never_told.add(outcome);
    told.add(outcome);
    for (size_t i = 0; i < kDistances.size(); ++i) {
      if (outcome.distance < kDistances[i].below) return by_distance[i].add(outcome);
    }
  }

  [[nodiscard]] nlohmann::ordered_json json() const {
    nlohmann::ordered_json json;
    put(json, told);
    json["by_distance"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < kDistances.size(); ++i) {
      if (by_distance[i].questions == 0) continue;
      nlohmann::ordered_json row = {{"distance", kDistances[i].name}};
      put(row, by_distance[i]);
      json["by_distance"].push_back(row);
    }
    json["never_told"] = {{"questions", never_told.questions},
                          {"exact", share(never_told.exact, never_told.questions)}};
    return json;
  }
};

nlohmann::ordered_json row_json(const Outcome& outcome) {
  nlohmann::ordered_json chunks = nlohmann::ordered_json::array();
  nlohmann::ordered_json scores = nlohmann::ordered_json::array();
  const auto tau = outcome.set.empty() ? 1 : outcome.set.front().tokens;
  for (const engine::RetrievedChunk& chunk : outcome.set) {
    chunks.push_back(chunk.begin / tau);
    scores.push_back(chunk.score);
  }
  return {{"file", outcome.dialog->file},
          {"dialog", outcome.dialog->number},
          {"turn", outcome.probe->turn},
          {"tokens", outcome.dialog->ids.size()},
          {"window_start", outcome.window_start},
          {"answer_start", outcome.answer_begin},
          {"answer_end", outcome.answer_end},
          {"told", outcome.asked},
          {"distance", outcome.distance},
          {"retrieved", chunks},
          {"scores", scores},
          {"fact_retrieved", outcome.retrieved},
          {"exact", outcome.exact},
          {"contains", outcome.contains},
          {"argmax", outcome.argmax},
          {"wanted_ids", outcome.wanted},
          {"log_probability", outcome.log_probability}};
}

void print_table(const nlohmann::ordered_json& result) {
  const auto cell = [](const nlohmann::ordered_json& value) {
    return value.is_null() ? std::string("-") : tools::percent(value.get<double>());
  };
  tools::Table table({"distance", ">questions", ">retrieved", ">exact", ">exact if retrieved",
                      ">contains the answer"});
  const auto add = [&](const std::string& name, const nlohmann::ordered_json& row) {
    table.row({name, std::to_string(row["questions"].get<int64_t>()), cell(row["retrieved"]),
               cell(row["exact"]), cell(row["exact_if_retrieved"]), cell(row["contains"])});
  };
  for (const auto& row : result["by_distance"]) add(row["distance"], row);
  add("all", result);
  tools::print_out(table.text());
  const auto& never = result["never_told"];
  if (never["questions"].get<int64_t>() > 0) {
    tools::print_out("never told: " + std::to_string(never["questions"].get<int64_t>()) +
                     " questions, " + cell(never["exact"]) + " answered so\n");
  }
}

}  // namespace

int run_recall(const Arguments& arguments) {
  const bool chosen = arguments.oracle || arguments.dense;
  if (chosen && (arguments.no_memory || arguments.protocol == "session")) {
    fail(ErrorKind::usage, "--oracle and --dense go with memory and with --protocol question");
  }
  Context context(tools::context_options(arguments.common));
  const auto model = tools::open_model(context, arguments.common);
  const TextEmbedder embedder = text_embedder(context, *model);
  std::ofstream rows;
  if (!arguments.rows.empty()) {
    rows.open(arguments.rows);
    if (!rows) fail_errno("cannot create", arguments.rows.string());
  }
  Report report;
  for (const std::filesystem::path& path : arguments.dialogs) {
    const auto dialogs = read_recall_dialogs(path, arguments.limit, *model);
    int64_t total = 0;
    for (const RecallDialog& dialog : dialogs) total += static_cast<int64_t>(dialog.ids.size());
    tools::Progress progress(
        "read " + path.filename().string(), "tokens", total,
        arguments.common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic);
    int64_t before = 0;
    for (const RecallDialog& dialog : dialogs) {
      const auto protocol = arguments.protocol == "session" ? read_session : ask_questions;
      const auto outcomes = protocol(context, model, embedder.embedder, dialog,
                                     {.use_memory = !arguments.no_memory,
                                      .dense = arguments.dense,
                                      .oracle = arguments.oracle},
                                     [&](int64_t tokens) {
                                       progress.update(before + tokens);
                                       tools::throw_if_stopped();
                                     });
      before += static_cast<int64_t>(dialog.ids.size());
      for (const Outcome& outcome : outcomes) {
        report.add(outcome);
        if (rows.is_open()) rows << tools::json_text(row_json(outcome)) << '\n';
      }
    }
  }
  if (rows.is_open() && !rows.flush()) fail_errno("cannot write", arguments.rows.string());
  nlohmann::ordered_json result = report.json();
  result["protocol"] = arguments.protocol;
  result["memory"] = !arguments.no_memory;
  result["oracle"] = arguments.oracle;
  result["dense"] = arguments.dense;
  result["embedder"] = embedder.source;
  result["dtype"] = dtype_name(tools::compute_dtype(arguments.common));
  if (arguments.common.json) {
    tools::print_json(result);
  } else {
    print_table(result);
  }
  return 0;
}

}  // namespace memlong::eval_tool
