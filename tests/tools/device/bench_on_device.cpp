// memlong-bench on a CUDA device: it runs there, and what it times is what the CPU computes.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/copy.h"
#include "retriever/plain_device.h"
#include "tools/device/bench_world.h"

namespace memlong::bench_tool {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::Gt;
using testing::HasSubstr;

std::vector<float> logits_of(Context& context, const Pass& pass) {
  Tensor host(pass.logits().shape(), DType::f32);
  ops::copy(context, pass.logits(), host);
  return {host.data<float>(), host.data<float>() + host.view().elements()};
}

/// Of a prompt, and of tokens behind it that read memory.
std::vector<std::vector<float>> some_logits(Device device) {
  BenchWorld world(device, DType::f32);
  Pass pass(world.context, world.network);
  const std::vector<int32_t> ids = random_ids(world.network, 12);
  const MemorySet memory = random_memory(world.context, world.network, 32);
  std::vector<std::vector<float>> found;
  pass.run(std::span(ids).first(8), 0, memory);
  found.push_back(logits_of(world.context, pass));
  pass.read_set(memory);
  for (int64_t at = 8; at < 12; ++at) {
    pass.next(ids[static_cast<size_t>(at)], at);
    found.push_back(logits_of(world.context, pass));
  }
  return found;
}

TEST(BenchOnDevice, PassesGiveTheCpusLogits) {
  const auto found = some_logits(Device::cuda);
  const auto wanted = some_logits(Device::cpu);
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t pass = 0; pass < found.size(); ++pass) {
    double difference = 0;
    double norm = 0;
    for (size_t i = 0; i < found[pass].size(); ++i) {
      difference += std::pow(double{found[pass][i]} - wanted[pass][i], 2);
      norm += std::pow(double{wanted[pass][i]}, 2);
    }
    EXPECT_GT(norm, 0.0);
    EXPECT_LE(std::sqrt(difference / norm), 1e-4) << "pass " << pass;
  }
}

TEST(BenchOnDevice, MeasuresTheNetwork) {
  BenchWorld world(Device::cuda);
  world.arguments.tests = {"prefill", "decode"};
  bench_machine(world.bench);
  bench_network(world.bench);
  EXPECT_THAT(world.names(),
              ElementsAre("matmul", "copy", "pp16", "tg2@8", "pp16+m32", "tg2@8+m32"));
  EXPECT_THAT(world.bench.rows, Each(Field(&Row::value, Gt(0.0))));
}

TEST(BenchOnDevice, MeasuresStreamsThatAreDecodedTogether) {
  BenchWorld world(Device::cuda);
  world.arguments.streams = {1, 3};
  bench_together(world.bench);
  EXPECT_THAT(world.names(), ElementsAre("tg2x1@8", "tg2x3@8", "tg2x1@8+m32", "tg2x3@8+m32"));
  EXPECT_THAT(world.bench.rows, Each(Field(&Row::value, Gt(0.0))));
}

TEST(BenchOnDevice, MeasuresEachOperator) {
  BenchWorld world(Device::cuda);
  bench_profile(world.bench);
  ASSERT_EQ(world.bench.rows.size(), 22U);
  for (const Row& row : world.bench.rows) {
    EXPECT_GT(row.value, 0.0) << row.test;
    ASSERT_FALSE(row.more.empty());
    for (const auto& [name, value] : row.more) EXPECT_GT(value, 0.0) << row.test << " " << name;
  }
}

TEST(BenchOnDevice, MeasuresAStepOfTraining) {
  BenchWorld world(Device::cuda);
  bench_train(world.bench);
  EXPECT_THAT(world.names(), ElementsAre("train1x48+m32"));
  EXPECT_GT(world.bench.rows[0].value, 0.0);
  EXPECT_GT(world.bench.rows[0].floor, 0.0);
}

TEST(BenchOnDevice, MeasuresIngestAndGather) {
  BenchWorld world(Device::cuda);
  bench_ingest(world.bench);
  bench_gather(world.bench);
  EXPECT_THAT(world.names(), ElementsAre("ingest", "ingest:pp", "gather-2"));
  EXPECT_THAT(world.bench.rows, Each(Field(&Row::value, Gt(0.0))));
}

TEST(BenchOnDevice, MeasuresSearchesBesideTheProcessors) {
  BenchWorld world(Device::cuda);
  world.arguments.vectors = {200};
  std::vector<retriever::FaissGpuOptions> opened;
  bench_search(world.bench, [&](const retriever::FaissGpuOptions& options) {
    opened.push_back(options);
    return std::make_shared<retriever::PlainDevice>();
  });
  EXPECT_THAT(world.names(), ElementsAre("search-200", "search-200:gpu", "search-200:gpu-f16"));
  EXPECT_THAT(world.bench.rows, Each(Field(&Row::value, Gt(0.0))));
  EXPECT_THAT(world.bench.rows, Each(Field(&Row::floor, Gt(0.0))));
  EXPECT_THAT(opened, ElementsAre(Field(&retriever::FaissGpuOptions::half, false),
                                  Field(&retriever::FaissGpuOptions::half, true)));
  EXPECT_EQ(world.bench.rows[2].more.back(), (std::pair<std::string, double>("same", 1.0)));
}

TEST(BenchOnDevice, SearchesThatAGpuRefusesAreLeftOutAloud) {
  BenchWorld world(Device::cuda);
  world.arguments.vectors = {200};
  testing::internal::CaptureStderr();
  bench_search(world.bench, [](const retriever::FaissGpuOptions& options) {
    if (options.half) fail(ErrorKind::device, "there is no module");
    auto device = std::make_shared<retriever::PlainDevice>();
    device->refuse_load = true;
    return device;
  });
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(world.names(), ElementsAre("search-200"));
  EXPECT_THAT(said, HasSubstr("search-200:gpu is left out: no memory is left"));
  EXPECT_THAT(said, HasSubstr("search-200:gpu-f16 is left out: there is no module"));
}

TEST(BenchOnDevice, MeasuresADialogAndTheMemoryThatItTakes) {
  BenchWorld world(Device::cuda);
  bench_dialog(world.bench);
  EXPECT_THAT(world.names(), ElementsAre("dialog-64", "dialog-80"));
  for (const Row& row : world.bench.rows) {
    EXPECT_GT(row.value, 0.0);
    ASSERT_EQ(row.more.size(), 3U);
    EXPECT_EQ(row.more[2].first, "device_mib");
    EXPECT_GT(row.more[2].second, 0.0);
  }
}

}  // namespace
}  // namespace memlong::bench_tool
