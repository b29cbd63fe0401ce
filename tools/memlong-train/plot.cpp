// memlong-train plot: log.jsonl of runs as curves.
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/file.h"
#include "common/json_depth.h"
#include "tools/common/output.h"
#include "tools/memlong-train/arguments.h"
#include "tools/memlong-train/chart.h"

namespace memlong::train_tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Points = std::vector<std::pair<double, double>>;

/// Curves of one held-out set.
struct EvaluationCurves {
  Points perplexity_with;
  Points perplexity_without;
  Points exact_with;
  Points exact_without;
};

struct RunCurves {
  std::string name;
  Points loss;
  Points exact;
  std::map<std::string, EvaluationCurves> evaluations;
};

void put(Points& points, double step, const json& value) {
  if (value.is_number()) points.emplace_back(step, value.get<double>());
}

void take_step(RunCurves& run, double step, const json& row) {
  put(run.loss, step, row.value("loss", json()));
  const auto answers = row.value("answers", 0.0);
  if (answers > 0) run.exact.emplace_back(step, row.value("exact_answers", 0.0) / answers);
}

void take_evaluation(RunCurves& run, double step, const json& row) {
  EvaluationCurves& curves = run.evaluations[row["evaluation"].get<std::string>()];
  const json with = row.value("with_memory", json::object());
  const json without = row.value("without_memory", json::object());
  put(curves.perplexity_with, step, with.value("perplexity", json()));
  put(curves.perplexity_without, step, without.value("perplexity", json()));
  put(curves.exact_with, step, with.value("exact", json()));
  put(curves.exact_without, step, without.value("exact", json()));
}

void take_row(RunCurves& run, const json& row) {
  const auto step = row.at("step").get<double>();
  if (row.contains("evaluation") && row["evaluation"].is_string()) {
    take_evaluation(run, step, row);
  } else {
    take_step(run, step, row);
  }
}

/// False for a line that is none of a log.
bool take_line(RunCurves& run, const std::string& line, const std::string& where) {
  check_json_depth(line, where);
  try {
    take_row(run, json::parse(line));
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

RunCurves read_run(fs::path path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) path /= "log.jsonl";
  std::istringstream lines(read_file(path));
  const bool usual = path.filename() == "log.jsonl";
  RunCurves run;
  run.name =
      usual ? fs::absolute(path).parent_path().filename().string() : path.filename().string();
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = path.string() + " line " + std::to_string(++number);
    if (take_line(run, line, where)) continue;
    if (lines.peek() == EOF) break;  // cut off while it was written
    fail(ErrorKind::format, where + " is no line of a training log");
  }
  if (run.loss.empty() && run.evaluations.empty()) {
    fail(ErrorKind::format, path.string() + " holds no steps");
  }
  return run;
}

/// Exponential mean, free of the bias towards its start.
Points smoothed(const Points& points, double keep) {
  Points out;
  double sum = 0;
  double weight = 0;
  for (const auto& [step, value] : points) {
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    out.emplace_back(step, sum / weight);
  }
  return out;
}

void add_curve(Panel& panel, size_t run, const Points& points, double keep) {
  if (points.empty()) return;
  if (keep > 0) panel.lines.push_back({.colour = run, .faint = true, .points = points});
  panel.lines.push_back({.colour = run, .points = smoothed(points, keep)});
}

void add_pair(Panel& panel, size_t run, const Points& with, const Points& without) {
  if (!with.empty()) panel.lines.push_back({.colour = run, .marks = true, .points = with});
  if (!without.empty()) {
    panel.lines.push_back({.colour = run, .dashed = true, .marks = true, .points = without});
  }
}

/// A logarithmic axis where values differ so much that a linear one would show nothing.
AxisKind axis_of(const Panel& panel) {
  double low = INFINITY;
  double high = 0;
  for (const Line& line : panel.lines) {
    for (const auto& [step, value] : line.points) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return high > 5 * low ? AxisKind::logarithmic : AxisKind::linear;
}

std::vector<Panel> make_panels(const std::vector<RunCurves>& runs, double keep) {
  std::vector<Panel> panels = {
      {.title = "Training loss, nats a token", .lines = {}},
      {.title = "Answers that are exact, in training", .axis = AxisKind::percent, .lines = {}}};
  std::set<std::string> names;
  for (size_t i = 0; i < runs.size(); ++i) {
    add_curve(panels[0], i, runs[i].loss, keep);
    add_curve(panels[1], i, runs[i].exact, keep);
    for (const auto& [name, curves] : runs[i].evaluations) names.insert(name);
  }
  for (const std::string& name : names) {
    Panel perplexity{.title = "Perplexity, " + name, .lines = {}};
    Panel exact{.title = "Recall: exact answers, " + name, .axis = AxisKind::percent, .lines = {}};
    for (size_t i = 0; i < runs.size(); ++i) {
      const auto found = runs[i].evaluations.find(name);
      if (found == runs[i].evaluations.end()) continue;
      const EvaluationCurves& curves = found->second;
      add_pair(perplexity, i, curves.perplexity_with, curves.perplexity_without);
      add_pair(exact, i, curves.exact_with, curves.exact_without);
    }
    perplexity.axis = axis_of(perplexity);
    panels.push_back(std::move(perplexity));
    panels.push_back(std::move(exact));
  }
  std::erase_if(panels, [](const Panel& panel) { return panel.lines.empty(); });
  return panels;
}

}  // namespace

int plot_runs(const Arguments& arguments) {
  if (arguments.logs.size() > kColours) {
    fail(ErrorKind::usage, "one picture holds at most " + std::to_string(kColours) + " runs");
  }
  std::vector<RunCurves> runs;
  std::vector<std::string> names;
  for (const fs::path& path : arguments.logs) {
    runs.push_back(read_run(path));
    names.push_back(runs.back().name);
  }
  write_file_atomic(arguments.out, draw_chart(names, make_panels(runs, arguments.smooth)));
  if (arguments.common.json) {
    tools::print_json({{"path", arguments.out.string()}, {"runs", names}});
  } else {
    tools::print_out("written " + arguments.out.string() + "\n");
  }
  return 0;
}

}  // namespace memlong::train_tool
