// The options of memlong-bench.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/model_options.h"
#include "tools/common/options.h"

namespace memlong::bench_tool {

struct BenchArguments {
  tools::CommonOptions common;
  std::string shape;
  std::vector<std::string> tests = {"prefill", "decode", "ingest", "bank", "search"};
  std::vector<int64_t> prompt = {512};
  std::vector<int64_t> generate = {128};
  std::vector<int64_t> depth = {0};
  std::vector<int64_t> memory = {0};
  std::vector<int64_t> streams = {1, 2, 4, 8};
  int64_t ingest_tokens = 0;
  std::vector<int64_t> dialog = {1000, 16000, 80000};
  int64_t bank_mib = 64;
  int64_t gather_mib = 256;
  std::vector<int64_t> vectors = {100000};
  int64_t hnsw_vectors = 0;
  int64_t top_k = 8;
  int64_t message = 512;
  int64_t windows = 0;
  int64_t train_rows = 4;
  int64_t matmul_side = 0;
  int repeat = 5;
  std::string output = "md";
  std::filesystem::path folder;

  [[nodiscard]] bool wants(const std::string& test) const;
};

void add_options(tools::OptionSet& options, BenchArguments& arguments);
/// After parse(): what one option alone cannot tell. Errors: usage.
void finish_arguments(const tools::OptionSet& options, BenchArguments& arguments);

}  // namespace memlong::bench_tool
