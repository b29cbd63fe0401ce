// Streams and encoders whose network runs on a CUDA device, beside the same on the CPU.
#include <cmath>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "engine/encoder.h"
#include "engine/stream.h"
#include "ops/copy.h"
#include "support/paths.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using Ids = std::vector<int32_t>;

/// The reference model with short windows, so that a short text is read from memory.
std::shared_ptr<const LoadedModel> short_windows(Context& context, const std::string& embedder) {
  ModelOptions options{.folder = test::source_dir() + "/models/reference", .dtype = DType::f32};
  options.settings = model::find_settings(options.folder, model::load_config(options.folder), {});
  options.settings->window = 96;
  options.settings->overlap = 32;
  options.settings->chunk = 16;
  options.settings->top_k = 3;
  options.settings->embedder = embedder;
  return load_model(context, options);
}

Ids some_ids(size_t count) {
  Ids ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(300 + i * 37 % 3000));
  return ids;
}

double relative_error(const TensorView& a, const TensorView& b) {
  EXPECT_EQ(a.device(), Device::cpu);
  EXPECT_EQ(a.shape(), b.shape());
  Context cpu;
  const Tensor x = ops::convert(cpu, a, DType::f32);
  const Tensor y = ops::convert(cpu, b, DType::f32);
  double difference = 0.0;
  double norm = 0.0;
  for (int64_t i = 0; i < x.view().elements(); ++i) {
    const double want = y.data<float>()[i];
    difference += (x.data<float>()[i] - want) * (x.data<float>()[i] - want);
    norm += want * want;
  }
  return std::sqrt(difference / norm);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - b[i]));
  return largest;
}

/// A stream whose memory is its own past.
struct Reader {
  Reader(Device device, const std::string& embedder)
      : context({.device = device}),
        model(short_windows(context, embedder)),
        memory(context, model, nullptr, {}),
        stream(context, model, make_embedder(context, *model), memory, {}) {
    stream.on_segment([this](const SegmentRecord& record) { segments.push_back(record); });
  }

  Context context;
  std::shared_ptr<const LoadedModel> model;
  DialogMemory memory;
  Stream stream;
  std::vector<SegmentRecord> segments;
};

void expect_same_chunks(const std::vector<EncodedChunk>& found,
                        const std::vector<EncodedChunk>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].begin, wanted[i].begin);
    EXPECT_EQ(found[i].ids, wanted[i].ids);
    EXPECT_LE(largest_difference(found[i].vector, wanted[i].vector), 1e-3);
    // Equal but for a few that were rounded to bf16 the other way.
    EXPECT_LE(relative_error(found[i].k, wanted[i].k), 1e-3) << i;
    EXPECT_LE(relative_error(found[i].v, wanted[i].v), 1e-3) << i;
  }
}

void expect_same_segments(const Reader& found, const Reader& wanted) {
  ASSERT_EQ(found.segments.size(), wanted.segments.size());
  size_t filled = 0;
  for (size_t i = 0; i < found.segments.size(); ++i) {
    const RetrievedSet* a = found.segments[i].set.get();
    const RetrievedSet* b = wanted.segments[i].set.get();
    ASSERT_EQ(a == nullptr, b == nullptr);
    if (a == nullptr) continue;
    ASSERT_EQ(a->chunks.size(), b->chunks.size()) << i;
    for (size_t c = 0; c < a->chunks.size(); ++c) {
      EXPECT_EQ(a->chunks[c].begin, b->chunks[c].begin);
    }
    if (a->chunks.empty()) continue;
    ++filled;
    EXPECT_EQ(a->k.view().device(), Device::cuda);
    EXPECT_EQ(a->k.shape(), b->k.shape());
  }
  EXPECT_GT(filled, 2U) << "nothing was read from memory";
}

class EngineOnDevice : public testing::TestWithParam<const char*> {};

TEST_P(EngineOnDevice, AStreamReadsAndRemembersAsOnTheCpu) {
  Reader gpu(Device::cuda, GetParam());
  Reader cpu(Device::cpu, GetParam());
  const Ids ids = some_ids(190);
  const std::span<const int32_t> all(ids);
  for (Reader* reader : {&gpu, &cpu}) {
    reader->stream.read(all.subspan(0, 170));
    reader->stream.measure_attention(true);
    reader->stream.read(all.subspan(170, 14), Want::all);
  }
  EXPECT_LE(relative_error(gpu.stream.logits(), cpu.stream.logits()), 1e-4);
  for (size_t at = 184; at < ids.size(); ++at) {
    gpu.stream.read(all.subspan(at, 1), Want::last);
    cpu.stream.read(all.subspan(at, 1), Want::last);
    EXPECT_LE(relative_error(gpu.stream.logits(), cpu.stream.logits()), 1e-4) << at;
  }
  expect_same_segments(gpu, cpu);
  expect_same_chunks(gpu.memory.pending(), cpu.memory.pending());
  const auto found = gpu.stream.measured();
  const auto wanted = cpu.stream.measured();
  ASSERT_EQ(found.size(), wanted.size());
  ASSERT_FALSE(found.empty());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].attention, wanted[i].attention, 1e-5);
  }
}

TEST_P(EngineOnDevice, AnEncoderGivesTheSameChunks) {
  const Ids ids = some_ids(150);
  const auto encode = [&](Device device) {
    std::vector<EncodedChunk> chunks;
    Context context({.device = device});
    const auto model = short_windows(context, GetParam());
    Encoder encoder(context, model, make_embedder(context, *model), DType::bf16,
                    [&](EncodedChunk&& chunk) { chunks.push_back(std::move(chunk)); });
    encoder.begin();
    encoder.push(ids);
    encoder.finish();
    return chunks;
  };
  expect_same_chunks(encode(Device::cuda), encode(Device::cpu));
}

INSTANTIATE_TEST_SUITE_P(All, EngineOnDevice, testing::Values("sif", "pooled"));

}  // namespace
}  // namespace memlong::engine
