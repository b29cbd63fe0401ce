// Several streams whose tokens are read together, on every device that the build has, beside the
// same streams read each alone on the CPU.
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "engine/stream_batch.h"
#include "ops/copy.h"
#include "support/paths.h"
#include "tensor/devices.h"

namespace memlong::engine {
namespace {

using Ids = std::vector<int32_t>;

/// Windows of 96 tokens, chunks of 16, of which 3 are read at a time.
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

/// A stream whose memory is its own past, and what was seen of it.
struct Talk {
  Talk(Context& context, const std::shared_ptr<const LoadedModel>& model,
       const std::shared_ptr<const retriever::Embedder>& embedder, bool measured)
      : memory(context, model, nullptr, {}), stream(context, model, embedder, memory, {}) {
    stream.on_segment([this](const SegmentRecord& record) { segments.push_back(record); });
    stream.measure_attention(measured);
  }

  DialogMemory memory;
  Stream stream;
  std::vector<SegmentRecord> segments;
};

// Of tokens before: the first is short, the second fills its window on the way, the third retrieves
// on the way, the last completes a chunk with its first token.
constexpr std::array<int64_t, 4> kDepths = {3, 84, 118, 79};
constexpr int64_t kSteps = 14;

int32_t token(size_t talk, int64_t at) {
  return static_cast<int32_t>(300 + (at * 37 + static_cast<int64_t>(talk) * 611) % 3000);
}

/// Talks of one context; all but the second are measured.
struct World {
  World(Device device, const std::string& embedder_name)
      : context({.device = device}), model(short_windows(context, embedder_name)) {
    const auto embedder = make_embedder(context, *model);
    for (size_t i = 0; i < kDepths.size(); ++i) {
      talks.push_back(std::make_unique<Talk>(context, model, embedder, i != 1));
      Ids ids;
      for (int64_t at = 0; at < kDepths[i]; ++at) ids.push_back(token(i, at));
      talks[i]->stream.read(ids);
    }
  }

  void step(int64_t step, bool together) {
    std::vector<Stream*> streams;
    Ids ids;
    for (size_t i = 0; i < talks.size(); ++i) {
      streams.push_back(&talks[i]->stream);
      ids.push_back(token(i, kDepths[i] + step));
    }
    if (together) {
      for (const auto& error : read_together(context, streams, ids)) EXPECT_EQ(error, nullptr);
      return;
    }
    for (size_t i = 0; i < streams.size(); ++i) {
      streams[i]->read(std::span(ids).subspan(i, 1), Want::last);
    }
  }

  Context context;
  std::shared_ptr<const LoadedModel> model;
  std::vector<std::unique_ptr<Talk>> talks;
};

double relative_error(const TensorView& a, const TensorView& b) {
  EXPECT_EQ(a.shape(), b.shape());
  Context cpu;
  const Tensor x = ops::convert(cpu, a, DType::f32);
  const Tensor y = ops::convert(cpu, b, DType::f32);
  double difference = 0.0;
  double norm = 0.0;
  for (int64_t i = 0; i < y.view().elements(); ++i) {
    const double want = y.data<float>()[i];
    difference += (x.data<float>()[i] - want) * (x.data<float>()[i] - want);
    norm += want * want;
  }
  return std::sqrt(difference / norm);
}

std::vector<int64_t> begins(const SegmentRecord& record) {
  std::vector<int64_t> list;
  if (record.set == nullptr) return list;
  for (const RetrievedChunk& chunk : record.set->chunks) list.push_back(chunk.begin);
  return list;
}

void expect_same_segments(const Talk& found, const Talk& wanted) {
  ASSERT_EQ(found.segments.size(), wanted.segments.size());
  for (size_t i = 0; i < wanted.segments.size(); ++i) {
    EXPECT_EQ(found.segments[i].position, wanted.segments[i].position);
    EXPECT_EQ(found.segments[i].window_start, wanted.segments[i].window_start);
    EXPECT_EQ(begins(found.segments[i]), begins(wanted.segments[i])) << i;
  }
}

void expect_same_chunks(const Talk& found, const Talk& wanted) {
  const auto& a = found.memory.pending();
  const auto& b = wanted.memory.pending();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    EXPECT_EQ(a[i].begin, b[i].begin);
    EXPECT_EQ(a[i].ids, b[i].ids);
    ASSERT_EQ(a[i].vector.size(), b[i].vector.size());
    for (size_t e = 0; e < b[i].vector.size(); ++e) {
      EXPECT_NEAR(a[i].vector[e], b[i].vector[e], 1e-3);
    }
    // Equal but for a few that were rounded to bf16 the other way.
    EXPECT_LE(relative_error(a[i].k, b[i].k), 1e-3) << i;
    EXPECT_LE(relative_error(a[i].v, b[i].v), 1e-3) << i;
  }
}

void expect_same_measured(Talk& found, Talk& wanted) {
  const auto a = found.stream.measured();
  const auto b = wanted.stream.measured();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    EXPECT_EQ(a[i].begin, b[i].begin);
    EXPECT_NEAR(a[i].attention, b[i].attention, 1e-5);
  }
}

void expect_same(World& found, World& wanted) {
  for (size_t i = 0; i < wanted.talks.size(); ++i) {
    SCOPED_TRACE(i);
    Talk& a = *found.talks[i];
    Talk& b = *wanted.talks[i];
    EXPECT_EQ(a.stream.tokens(), b.stream.tokens());
    EXPECT_EQ(a.stream.unread(), 0);
    EXPECT_EQ(a.stream.window_start(), b.stream.window_start());
    EXPECT_EQ(a.stream.completed(), b.stream.completed());
    expect_same_segments(a, b);
    expect_same_chunks(a, b);
    expect_same_measured(a, b);
  }
  EXPECT_TRUE(wanted.talks[1]->stream.measured().empty());
  EXPECT_FALSE(wanted.talks[2]->stream.measured().empty());
}

/// Together always, or in turns with each alone.
class Together : public testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(Together, StreamsAreReadAsEachAlone) {
  const auto& [embedder, in_turns] = GetParam();
  std::vector<Device> devices = {Device::cpu};
  if (!cuda_devices().devices.empty()) devices.push_back(Device::cuda);
  World wanted(Device::cpu, embedder);
  std::vector<std::unique_ptr<World>> worlds;
  for (const Device device : devices) worlds.push_back(std::make_unique<World>(device, embedder));
  for (int64_t step = 0; step < kSteps; ++step) {
    wanted.step(step, false);
    for (const auto& found : worlds) {
      found->step(step, !in_turns || step % 4 < 2);
      for (size_t i = 0; i < wanted.talks.size(); ++i) {
        const TensorView logits = wanted.talks[i]->stream.logits();
        EXPECT_LE(relative_error(found->talks[i]->stream.logits(), logits), 1e-4) << step;
        EXPECT_EQ(found->talks[i]->stream.computed_logits().shape(), logits.shape());
      }
    }
  }
  for (const auto& found : worlds) expect_same(*found, wanted);
}

INSTANTIATE_TEST_SUITE_P(All, Together,
                         testing::Values(std::tuple("sif", false), std::tuple("pooled", false),
                                         std::tuple("sif", true)));

}  // namespace
}  // namespace memlong::engine
