#include "tools/memlong-ingest/console.h"

#include <algorithm>

#include "tools/common/output.h"
#include "tools/common/text.h"

namespace memlong::ingest_tool {
namespace {

constexpr size_t kLongestName = 5000;  // of a path, or a name in a row of JSON

using engine::DocumentOutcome;
using nlohmann::ordered_json;

std::string outcome_name(DocumentOutcome outcome) {
  switch (outcome) {
    case DocumentOutcome::fresh:
      return "new";
    case DocumentOutcome::resumed:
      return "resumed";
    case DocumentOutcome::known:
      return "known";
    case DocumentOutcome::failed:
      break;
  }
  return "failed";
}

/// "a.txt: empty"; a problem that names the text itself stays as it is.
std::string named_problem(const std::string& name, const std::string& problem) {
  const bool named = name.empty() || problem.find(" " + name + ": ") != std::string::npos;
  return tools::cut(named ? problem : name + ": " + problem, 2 * kLongestName);
}

std::string size_text(int64_t bytes) { return tools::human_bytes(static_cast<double>(bytes)); }

}  // namespace

Console::Console(const tools::CommonOptions& common, const std::vector<std::string>& problems)
    : verbose_(common.verbose),
      progress_("ingest", "bytes", 0,
                common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic) {
  for (const std::string& problem : problems) {
    progress_.print_above("failed: " + tools::cut(problem, 2 * kLongestName));
  }
}

void Console::report(const engine::DocumentReport& document) {
  const bool failed = document.outcome == DocumentOutcome::failed;
  if (!failed && !verbose_) return;
  const std::string line = failed ? named_problem(document.name, document.problem)
                                  : tools::cut(document.name, kLongestName);
  progress_.print_above(outcome_name(document.outcome) + ": " + line);
}

void Console::show(const engine::IngestProgress& progress) {
  progress_.set_total(progress.total_bytes);
  const auto tokens = static_cast<double>(progress.tokens);
  const double seconds = std::max(watch_.seconds(), 1e-3);
  progress_.note(tools::human_count(tokens) + " tokens, " + tools::human_count(tokens / seconds) +
                 " tokens/s");
  progress_.update(progress.bytes);
}

Plan::Plan(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) {
    ++failed_;
    rows_.push_back({{"outcome", "failed"}, {"name", problem}});
  }
}

void Plan::add(const engine::DocumentReport& document) {
  ordered_json row = {{"outcome", outcome_name(document.outcome)},
                      {"name", document.name},
                      {"namespace", document.name_space},
                      {"bytes", document.bytes}};
  if (document.outcome == DocumentOutcome::failed) {
    ++failed_;
    row["problem"] = document.problem;
  } else if (document.outcome == DocumentOutcome::known) {
    ++known_;
  } else {
    ++fresh_;
    bytes_ += document.bytes;
  }
  rows_.push_back(std::move(row));
}

void Plan::print(bool json) const {
  if (json) {
    return tools::print_json({{"documents", rows_},
                              {"documents_new", fresh_},
                              {"documents_known", known_},
                              {"documents_failed", failed_},
                              {"bytes", bytes_}});
  }
  for (const ordered_json& row : rows_) {
    const std::string problem = row.value("problem", "");
    const std::string name = row["name"].get<std::string>();
    std::string line = row["outcome"].get<std::string>() + "  " +
                       (problem.empty() ? name : named_problem(name, problem));
    if (row.contains("bytes")) line += "  (" + size_text(row["bytes"].get<int64_t>()) + ")";
    tools::print_out(tools::escape_terminal(line) + "\n");
  }
  tools::print_out("would read " + std::to_string(fresh_) + " documents (" + size_text(bytes_) +
                   "), skip " + std::to_string(known_) + " known ones; " + std::to_string(failed_) +
                   " cannot be read\n");
}

void print_summary(const engine::IngestTotals& totals, const membank::Bank& bank, bool json) {
  const membank::BankStats stats = bank.snapshot()->stats();
  if (json) {
    return tools::print_json({{"documents_new", totals.documents_new},
                              {"documents_resumed", totals.documents_resumed},
                              {"documents_known", totals.documents_known},
                              {"documents_failed", totals.documents_failed},
                              {"documents_replaced", totals.documents_replaced},
                              {"chunks", totals.chunks},
                              {"tokens", totals.tokens},
                              {"seconds", totals.seconds},
                              {"tokens_per_second", totals.tokens_per_second()},
                              {"chunks_pruned", totals.pruned.chunks},
                              {"stopped", totals.stopped},
                              {"bank_bytes", stats.bytes},
                              {"bank_chunks", stats.chunks}});
  }
  std::string documents = std::to_string(totals.documents_new) + " new";
  if (totals.documents_resumed > 0) {
    documents += " (" + std::to_string(totals.documents_resumed) + " completed)";
  }
  documents += ", " + std::to_string(totals.documents_known) + " known, " +
               std::to_string(totals.documents_failed) + " failed";
  if (totals.documents_replaced > 0) {
    documents += ", " + std::to_string(totals.documents_replaced) + " replaced";
  }
  std::vector<std::pair<std::string, std::string>> rows = {
      {"documents", documents},
      {"read", tools::group_digits(totals.tokens) + " tokens in " +
                   tools::group_digits(totals.chunks) + " chunks"},
      {"time", tools::human_duration(totals.seconds) + ", " +
                   tools::group_digits(static_cast<int64_t>(totals.tokens_per_second())) +
                   " tokens/s"}};
  if (totals.pruned.chunks > 0) {
    rows.emplace_back("pruned", tools::group_digits(totals.pruned.chunks) + " chunks");
  }
  rows.emplace_back("bank", bank.folder().string() + ", " + size_text(stats.bytes) + ", " +
                                tools::group_digits(stats.chunks) + " chunks");
  tools::print_out(tools::key_values(rows));
}

}  // namespace memlong::ingest_tool
