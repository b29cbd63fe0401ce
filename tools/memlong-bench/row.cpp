#include "tools/memlong-bench/row.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "tools/common/output.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"

namespace memlong::bench_tool {
namespace {

std::string amount(double value) {
  return tools::fixed(value, value < 10 ? 3 : value < 1000 ? 2 : 0);
}

double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

/// "recall 0.97, seconds 4.12"
std::string figures(const Figures& all) {
  std::string text;
  for (const auto& [name, value] : all) {
    text += (text.empty() ? "" : ", ") + name + " " + amount(value);
  }
  return text;
}

std::string csv_quote(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Row measure(const Measurement& measurement, int repeat, tools::Progress& progress) {
  progress.note(measurement.test);
  std::vector<double> values;
  std::vector<double> floors;
  for (int i = -1; i < repeat; ++i) {
    tools::throw_if_stopped();
    const double floor = measurement.floor();
    const double value = measurement.run();
    progress.add(1);
    if (i < 0) continue;
    floors.push_back(floor);
    values.push_back(value);
  }
  Row row{.test = measurement.test,
          .value = median(values),
          .deviation = deviation(values),
          .unit = measurement.unit,
          .floor = median(floors)};
  row.share = row.floor > 0 ? row.value / row.floor : 0;
  if (measurement.more) row.more = measurement.more();
  return row;
}

std::string format_markdown(const Report& report) {
  tools::Table table({"model", ">params", "dtype", ">threads", ">test", ">value", ">±", "unit",
                      ">floor", ">share", "more"});
  for (const Row& row : report.rows) {
    const bool held = row.floor > 0;
    table.row({report.model, tools::human_count(report.parameters), report.dtype,
               std::to_string(report.threads), row.test, amount(row.value), amount(row.deviation),
               row.unit, held ? amount(row.floor) : "", held ? tools::percent(row.share) : "",
               figures(row.more)});
  }
  return table.markdown() + "\n" + report.machine + "; commit " + report.commit + "; medians of " +
         std::to_string(report.repeat) + (report.stopped ? "; stopped before its end\n" : "\n");
}

std::string format_csv(const Report& report) {
  std::string text =
      "model,params,dtype,threads,test,value,deviation,unit,floor,share,machine,commit,more\n";
  for (const Row& row : report.rows) {
    text += csv_quote(report.model) + "," + tools::fixed(report.parameters, 0) + "," +
            report.dtype + "," + std::to_string(report.threads) + "," + csv_quote(row.test) + "," +
            tools::fixed(row.value, 4) + "," + tools::fixed(row.deviation, 4) + "," + row.unit +
            "," + tools::fixed(row.floor, 4) + "," + tools::fixed(row.share, 4) + "," +
            csv_quote(report.machine) + "," + report.commit + "," + csv_quote(figures(row.more)) +
            "\n";
  }
  return text;
}

std::string format_json(const Report& report) {
  nlohmann::ordered_json json = {{"model", report.model},     {"params", report.parameters},
                                 {"dtype", report.dtype},     {"threads", report.threads},
                                 {"machine", report.machine}, {"commit", report.commit},
                                 {"repeat", report.repeat},   {"rows", nlohmann::json::array()}};
  if (report.stopped) json["stopped"] = true;
  for (const Row& row : report.rows) {
    nlohmann::ordered_json more = nlohmann::ordered_json::object();
    for (const auto& [name, value] : row.more) more[name] = value;
    json["rows"].push_back({{"test", row.test},
                            {"value", row.value},
                            {"deviation", row.deviation},
                            {"unit", row.unit},
                            {"floor", row.floor},
                            {"share", row.share},
                            {"more", more}});
  }
  return tools::json_text(json, 2) + "\n";
}

}  // namespace memlong::bench_tool
