// The module with FAISS for GPUs: what is said where it is not there, and its hits where it is.
#include "retriever/faiss_gpu.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "retriever/index_pair.h"
#include "retriever/random_vectors.h"
#include "support/temp_folder.h"

namespace memlong::retriever {
namespace {

using testing::HasSubstr;

std::string refusal_of(const FaissGpuOptions& options) {
  try {
    (void)open_faiss_gpu(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

TEST(FaissGpu, AbsentOrForeignModulesAreNamed) {
  const test::TempFolder folder;
  const std::string path = folder / "libmemlong_faiss_gpu.so";
  EXPECT_THAT(refusal_of({.module = path}),
              HasSubstr("no " + path + ": this build found no FAISS with GPU support"));
  std::ofstream(path) << "not a library";
  EXPECT_THAT(refusal_of({.module = path}), HasSubstr("FAISS for GPUs cannot be loaded: "));
  EXPECT_THAT(refusal_of({.module = "libc.so.6"}), HasSubstr("this build found no FAISS"));
}

/// Skips, with the reason, where there is no module or no GPU.
class FaissGpuSearch : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    try {
      device_ = open_faiss_gpu({.half = GetParam()});
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  std::shared_ptr<SearchDevice> device_;
};
INSTANTIATE_TEST_SUITE_P(Vectors, FaissGpuSearch, testing::Bool(),
                         [](const auto& half) { return half.param ? "f16" : "f32"; });

TEST_P(FaissGpuSearch, TooLittleMemoryAndAbsentGpusAreSaid) {
  EXPECT_THAT(refusal_of({.device = 1000}), HasSubstr("there is no cuda:1000"));
  const auto small = open_faiss_gpu({.half = GetParam(), .bytes = 1 << 20});
  const std::vector<float> rows = random_directions(4000, 256, 5);
  try {
    (void)small->load(rows, 256);
    ADD_FAILURE() << "4 MB went into 1 MiB";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("4000 vectors of 256 need "));
    EXPECT_THAT(error.what(), HasSubstr("may take 1 MiB"));
  }
}

TEST_P(FaissGpuSearch, AnIndexThatDoesNotFitIsSearchedByTheProcessorAloud) {
  const IndexPair<SearchDevice> both(open_faiss_gpu({.half = GetParam(), .bytes = 1 << 20}), 100,
                                     256);
  both.add(rising_ids(4000, 1, 1), random_directions(4000, 256, 6));
  testing::internal::CaptureStderr();
  both.expect_all_same(random_directions(3, 256, 7), 5);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("the bank is searched on the CPU from now on: "));
}

TEST_P(FaissGpuSearch, TwoIndexesShareAGpu) {
  const IndexPair<SearchDevice> a(device_, 100, 64);
  const IndexPair<SearchDevice> b(device_, 100, 300);
  a.add(rising_ids(1000, 1, 1), random_directions(1000, 64, 8));
  b.add(rising_ids(1000, 1, 1), random_directions(1000, 300, 9));
  testing::internal::CaptureStderr();
  for (uint32_t seed = 10; seed < 13; ++seed) {
    a.expect_same(random_directions(1, 64, seed), 8);
    b.expect_same(random_directions(1, 300, seed), 8);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_P(FaissGpuSearch, MemoryIsGivenBack) {
  const std::vector<float> rows = random_directions(100000, 64, 14);  // 24 MiB
  const auto small = open_faiss_gpu({.half = GetParam(), .bytes = 1});
  const auto free_mib = [&]() -> int64_t {
    try {
      (void)small->load(rows, 64);
    } catch (const Error& error) {
      const std::string line = error.what();
      const size_t at = line.find("may take 1 MiB (");
      if (at != std::string::npos) return std::stoll(line.substr(at + 16));
    }
    ADD_FAILURE() << "does not say how much is free";
    return 0;
  };
  (void)device_->load(rows, 64);
  const int64_t before = free_mib();
  for (int i = 0; i < 30; ++i) (void)device_->load(rows, 64);
  EXPECT_GT(free_mib(), before - 100);
}

}  // namespace
}  // namespace memlong::retriever
