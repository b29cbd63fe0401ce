// The tests of memlong-bench.
#pragma once

#include <filesystem>
#include <vector>

#include "tensor/context.h"
#include "tools/memlong-bench/arguments.h"
#include "tools/memlong-bench/network.h"
#include "tools/memlong-bench/row.h"

namespace memlong::bench_tool {

/// A folder that is removed with the object.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::filesystem::path& parent);
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// What a test needs. Not thread-safe.
struct Bench {
  Context& context;
  const BenchArguments& arguments;
  const Network& network;
  tools::Progress& progress;
  std::vector<Row> rows;

  void add(const Measurement& measurement);
};

void bench_network(Bench& bench);  ///< prefill and decode
void bench_ingest(Bench& bench);
void bench_bank(Bench& bench);
void bench_search(Bench& bench);

}  // namespace memlong::bench_tool
