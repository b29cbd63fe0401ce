// A small network for memlong-bench's tests, on any device.
#pragma once

#include <string>
#include <vector>

#include "support/temp_folder.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {

/// The reference shape with short windows.
struct BenchWorld {
  explicit BenchWorld(Device device, DType dtype = DType::bf16)
      : context({.device = device, .threads = 1}),
        arguments(small_arguments(folder.path(), dtype)),
        network(open_network(context, arguments.common, "reference", 0)),
        progress("test", "runs", 0, tools::ProgressStyle::none),
        bench{context, arguments, network, progress, {}} {}

  static BenchArguments small_arguments(const std::filesystem::path& folder, DType dtype) {
    BenchArguments arguments;
    arguments.common.dtype = std::string(dtype_name(dtype));
    arguments.common.window = 48;
    arguments.common.overlap = 40;
    arguments.common.chunk = 16;
    arguments.common.top_k = 2;
    arguments.common.neighbours = 0;
    arguments.prompt = {16};
    arguments.generate = {2};
    arguments.depth = {8};
    arguments.memory = {0, 32};
    arguments.ingest_tokens = 64;
    arguments.dialog = {64, 80};
    arguments.message = 60;
    arguments.gather_mib = 1;
    arguments.train_rows = 1;
    arguments.matmul_side = 64;
    arguments.top_k = 2;
    arguments.repeat = 1;
    arguments.folder = folder;
    return arguments;
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Row& row : bench.rows) names.push_back(row.test);
    return names;
  }

  test::TempFolder folder;
  Context context;
  BenchArguments arguments;
  Network network;
  tools::Progress progress;
  Bench bench;
};

}  // namespace memlong::bench_tool
