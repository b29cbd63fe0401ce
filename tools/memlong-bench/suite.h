// The tests of memlong-bench.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "retriever/faiss_gpu.h"
#include "tensor/context.h"
#include "tools/common/matmul_floor.h"
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
  /// In the network's dtype.
  [[nodiscard]] tools::MatmulFloor matmul_floor() const;
};

/// How much a test of the network does.
struct TestSize {
  int64_t tokens = 0;
  int64_t depth = 0;    ///< tokens of the window before them
  int64_t memory = 0;   ///< tokens of memory that each reads
  int64_t streams = 0;  ///< so many at once; 0: not said
};
/// "tg32@512+m64", "tg32x4"
std::string test_name(const std::string& kind, const TestSize& size);

/// Loading a model folder; before anything else has mapped its files.
std::vector<Row> bench_load(Context& context, const BenchArguments& arguments,
                            tools::Progress& progress);
void bench_network(Bench& bench);   ///< prefill and decode
void bench_together(Bench& bench);  ///< decoding of several streams at once
void bench_machine(Bench& bench);   ///< the floors themselves
void bench_train(Bench& bench);
void bench_attention(Bench& bench);
void bench_profile(Bench& bench);  ///< each operator of a pass
void bench_ingest(Bench& bench);
void bench_dialog(Bench& bench);
void bench_bank(Bench& bench);
void bench_gather(Bench& bench);
/// On a GPU there too, where `open` opens one; where it does not, a line says why.
void bench_search(Bench& bench,
                  const retriever::OpenSearchDevice& open = retriever::open_faiss_gpu);

}  // namespace memlong::bench_tool
