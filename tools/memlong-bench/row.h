// A measured figure beside what the machine allows, and how figures are printed.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tools/common/progress.h"

namespace memlong::bench_tool {

/// Further figures of a test by name, for instance {"recall", 0.97}.
using Figures = std::vector<std::pair<std::string, double>>;

struct Row {
  std::string test;
  double value = 0;      ///< median
  double deviation = 0;  ///< standard deviation of the runs
  std::string unit;
  double floor = 0;  ///< the best that the machine could do, in the same unit; median; 0: none
  double share = 0;  ///< value / floor
  Figures more = {};
};

/// Runs a test and its floor in turn, after one run that does not count.
struct Measurement {
  std::string test;
  std::string unit;
  std::function<double()> run;         ///< gives a rate
  std::function<double()> floor;       ///< gives a rate in the same unit
  std::function<Figures()> more = {};  ///< optional: asked once, after the last run
};

/// Errors: stopped, after Ctrl-C, and those of the test.
Row measure(const Measurement& measurement, int repeat, tools::Progress& progress);

double median(std::vector<double> values);

struct Report {
  std::string model;
  double parameters = 0;
  std::string dtype;
  int threads = 0;
  std::string machine;
  std::string commit;
  int repeat = 0;
  std::vector<Row> rows;
  bool stopped = false;  ///< not all rows are there
};

std::string format_markdown(const Report& report);
std::string format_csv(const Report& report);
std::string format_json(const Report& report);

}  // namespace memlong::bench_tool
