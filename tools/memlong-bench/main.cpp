// memlong-bench: how fast, and how fast it could be.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "bench_commit.h"
#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/memlong-bench/arguments.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

/// Tokens of the longest window that a test needs.
int64_t longest_window(const BenchArguments& arguments) {
  const int64_t deepest = std::ranges::max(arguments.depth);
  return std::max(std::ranges::max(arguments.prompt),
                  deepest + std::ranges::max(arguments.generate));
}

void run_tests(Bench& bench) {
  const BenchArguments& arguments = bench.arguments;
  if (arguments.wants("machine")) bench_machine(bench);
  bench_network(bench);
  if (arguments.wants("together")) bench_together(bench);
  if (arguments.wants("attention")) bench_attention(bench);
  if (arguments.wants("profile")) bench_profile(bench);
  if (arguments.wants("train")) bench_train(bench);
  if (arguments.wants("ingest")) bench_ingest(bench);
  if (arguments.wants("dialog")) bench_dialog(bench);
  if (arguments.wants("bank")) bench_bank(bench);
  if (arguments.wants("gather")) bench_gather(bench);
  if (arguments.wants("search")) bench_search(bench);
}

std::string print(const Report& report, const std::string& form) {
  if (form == "json") return format_json(report);
  return form == "csv" ? format_csv(report) : format_markdown(report);
}

int run(int argc, char** argv) {
  BenchArguments arguments;
  tools::OptionSet options("memlong-bench",
                           "Measures the parts of memlong beside what the machine can do.");
  add_options(options, arguments);
  if (!options.parse(argc, argv)) return tools::kExitOk;
  tools::apply_output_options(arguments.common);
  finish_arguments(options, arguments);

  Context context(tools::context_options(arguments.common));
  tools::Progress progress(
      "bench", "runs", 0,
      arguments.common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic);
  std::vector<Row> rows;
  if (arguments.wants("load")) rows = bench_load(context, arguments, progress);
  const Network network =
      open_network(context, arguments.common, arguments.shape, longest_window(arguments));
  Bench bench{context, arguments, network, progress, std::move(rows)};
  // Who stops it gets what there is, and so does who meets an error in the middle.
  std::optional<Error> stopped;
  try {
    run_tests(bench);
  } catch (const Error& error) {
    if (bench.rows.empty()) throw;
    stopped = error;
  }
  progress.finish();
  const Report report{.model = network.name,
                      .parameters = parameters(network),
                      .dtype = std::string(dtype_name(network.weights->dtype)),
                      .threads = context.threads(),
                      .machine = machine_name(context),
                      .commit = MEMLONG_COMMIT,
                      .repeat = arguments.repeat,
                      .rows = bench.rows,
                      .stopped = stopped.has_value()};
  tools::print_out(print(report, arguments.output));
  if (!stopped) return tools::kExitOk;
  tools::flush_out();
  throw Error(*stopped);
}

}  // namespace
}  // namespace memlong::bench_tool

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::bench_tool::run);
}
