// Many windows at once, and what comes down from them, on a CUDA device beside the CPU.
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/encoder.h"
#include "engine/ingest.h"
#include "membank/bank.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

std::shared_ptr<const LoadedModel> short_windows(Context& context, const std::string& embedder) {
  ModelOptions options{
      .folder = test::source_dir() + "/models/reference", .dtype = DType::f32, .writer_only = true};
  options.settings = model::find_settings(options.folder, model::load_config(options.folder), {});
  options.settings->window = 48;
  options.settings->overlap = 16;
  options.settings->chunk = 16;
  options.settings->embedder = embedder;
  return load_model(context, options);
}

double relative_difference(const Tensor& a, const Tensor& b) {
  double difference = 0.0;
  double norm = 0.0;
  for (int64_t i = 0; i < a.view().elements(); ++i) {
    const double want = b.data<float>()[i];
    difference += (a.data<float>()[i] - want) * (a.data<float>()[i] - want);
    norm += want * want;
  }
  return std::sqrt(difference / norm);
}

struct Given {
  std::vector<std::string> order;
  std::vector<EncodedChunk> chunks;
};

Given encode(Device device, const std::string& embedder, int64_t windows) {
  Given given;
  Context context({.device = device});
  const auto model = short_windows(context, embedder);
  Encoder encoder(
      context, model, make_embedder(context, *model), DType::f32,
      [&](EncodedChunk&& chunk) {
        given.order.push_back(std::to_string(chunk.begin));
        given.chunks.push_back(std::move(chunk));
      },
      windows);
  for (const size_t tokens : {70, 9, 0, 110, 20, 3}) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < tokens; ++i)
      ids.push_back(static_cast<int32_t>(300 + (i + tokens) * 37 % 3000));
    encoder.begin();
    encoder.then([&] { given.order.emplace_back("begin"); });
    encoder.push(ids);
    encoder.finish();
    encoder.then([&] { given.order.emplace_back("end"); });
  }
  encoder.flush();
  return given;
}

class WindowsOnDevice : public testing::TestWithParam<const char*> {};

TEST_P(WindowsOnDevice, GiveTheSameChunksInTheSameOrder) {
  const Given wanted = encode(Device::cpu, GetParam(), 1);
  ASSERT_GT(wanted.chunks.size(), 10U);
  for (const int64_t windows : {1, 2, 3}) {
    const Given found = encode(Device::cuda, GetParam(), windows);
    EXPECT_EQ(found.order, wanted.order) << windows;
    ASSERT_EQ(found.chunks.size(), wanted.chunks.size());
    for (size_t i = 0; i < found.chunks.size(); ++i) {
      const EncodedChunk& a = found.chunks[i];
      const EncodedChunk& b = wanted.chunks[i];
      EXPECT_EQ(a.ids, b.ids);
      ASSERT_EQ(a.vector.size(), b.vector.size());
      for (size_t e = 0; e < a.vector.size(); ++e) EXPECT_NEAR(a.vector[e], b.vector[e], 1e-3);
      ASSERT_EQ(a.k.shape(), b.k.shape());
      EXPECT_EQ(a.k.view().device(), Device::cpu);
      EXPECT_LE(relative_difference(a.k, b.k), 1e-4) << windows << ", chunk " << i;
      EXPECT_LE(relative_difference(a.v, b.v), 1e-4) << windows << ", chunk " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, WindowsOnDevice, testing::Values("sif", "pooled"));

/// Chunks of a bank by document, in the order in which they were stored.
std::vector<std::string> ingested(Device device, int64_t windows,
                                  const std::vector<std::string>& paths,
                                  const std::string& folder) {
  Context context({.device = device});
  const auto model = short_windows(context, "sif");
  const std::shared_ptr<membank::Bank> bank = membank::Bank::open(
      folder, {.mode = membank::OpenMode::write, .fingerprint = model->fingerprint()});
  IngestOptions options;
  options.windows = windows;
  const IngestTotals totals =
      Ingestor(context, model, bank, options).run(list_sources(paths, {}).sources);
  EXPECT_EQ(totals.documents_new, static_cast<int64_t>(paths.size()));
  const auto snapshot = bank->snapshot();
  std::vector<std::string> chunks;
  snapshot->for_each_chunk(0, [&](const membank::ChunkInfo& info) {
    std::string line = snapshot->document(info.document)->name + ":" + std::to_string(info.begin);
    for (const int32_t id : snapshot->chunk_tokens(info.id)) line += " " + std::to_string(id);
    chunks.push_back(line);
  });
  EXPECT_TRUE(bank->verify({}).empty());
  return chunks;
}

TEST(IngestOnDevice, StoresTheSameChunksInTheSameOrder) {
  const test::TempFolder folder;
  std::vector<std::string> paths;
  for (const int lines : {2, 6, 1, 4}) {
    std::string text;
    for (int i = 0; i < lines; ++i) text += "Line " + std::to_string(i + lines) + " of a tale.\n";
    paths.push_back(folder.write("tale" + std::to_string(lines) + ".txt", text));
  }
  const auto wanted = ingested(Device::cpu, 1, paths, (folder.path() / "cpu").string());
  ASSERT_GT(wanted.size(), 5U);
  EXPECT_EQ(ingested(Device::cuda, 3, paths, (folder.path() / "cuda").string()), wanted);
}

}  // namespace
}  // namespace memlong::engine
