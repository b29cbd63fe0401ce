// The module with FAISS for GPUs: what is said where it is not there, and its hits where it is.
#include "retriever/faiss_gpu.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "retriever/index.h"
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

TEST_P(FaissGpuSearch, ScoresLieWithinTheErrorThatItPromises) {
  constexpr int64_t kRows = 3000;
  constexpr int64_t kDim = 300;
  const std::vector<float> rows = random_directions(kRows, kDim, 1);
  const std::vector<float> query = random_directions(1, kDim, 2);
  const auto loaded = device_->load(rows, kDim);
  std::vector<int64_t> found(2048);
  std::vector<float> scores(2048);
  loaded->search(query, 2048, found, scores);
  const double error = device_->score_error(kDim, 1.0001, 1.0001);
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_TRUE(found[i] >= 0 && found[i] < kRows);
    double real = 0;
    for (int64_t j = 0; j < kDim; ++j) {
      real += static_cast<double>(rows[static_cast<size_t>(found[i] * kDim + j)]) *
              static_cast<double>(query[static_cast<size_t>(j)]);
    }
    EXPECT_NEAR(scores[i], real, error);
    ASSERT_LE(scores[i], scores[i == 0 ? 0 : i - 1]);
  }
}

TEST_P(FaissGpuSearch, FindsWhatTheProcessorFinds) {
  constexpr int64_t kRows = 20000;
  constexpr int64_t kDim = 256;
  const auto plain = make_index(kDim, {});
  const auto tested = make_index(kDim, {.device = device_, .device_rows = 100});
  const std::vector<float> rows = random_directions(kRows, kDim, 3);
  const std::vector<float> queries = random_directions(70, kDim, 4);
  std::vector<std::span<const float>> views;
  for (size_t i = 0; i < 70; ++i) views.push_back(std::span(queries).subspan(i * kDim, kDim));
  for (VectorIndex* index : {plain.get(), tested.get()}) index->add(rising_ids(kRows, 1, 1), rows);
  for (const uint64_t step : {1, 7, 900}) {
    const IdFilter filter = [&](uint64_t id) { return id % step == 0; };
    const auto expected = plain->search_all(views, 16, filter);
    const auto hits = tested->search_all(views, 16, filter);
    for (size_t q = 0; q < views.size(); ++q) {
      ASSERT_EQ(hits[q].size(), expected[q].size());
      for (size_t i = 0; i < hits[q].size(); ++i) {
        ASSERT_EQ(hits[q][i].id, expected[q][i].id);
        ASSERT_EQ(hits[q][i].score, expected[q][i].score);
      }
    }
    for (VectorIndex* index : {plain.get(), tested.get()}) {
      index->remove(rising_ids(2000, step, 5));
    }
  }
}

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

}  // namespace
}  // namespace memlong::retriever
