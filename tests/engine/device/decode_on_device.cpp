// Answers token by token on a CUDA device: what was recorded does what would be done kernel by
// kernel, whatever memory is read meanwhile.
#include <cstring>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "engine/session.h"
#include "engine/stream.h"
#include "support/paths.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using Ids = std::vector<int32_t>;

/// Chunks of 16 tokens, of which 3 are read at a time.
std::shared_ptr<const LoadedModel> short_windows(Context& context, const std::string& embedder,
                                                 DType dtype, int64_t window = 96) {
  ModelOptions options{.folder = test::source_dir() + "/models/reference", .dtype = dtype};
  options.settings = model::find_settings(options.folder, model::load_config(options.folder), {});
  options.settings->window = window;
  options.settings->overlap = 32;
  options.settings->chunk = 16;
  options.settings->top_k = 3;
  options.settings->embedder = embedder;
  return load_model(context, options);
}

/// A stream whose memory is its own past.
struct Talk {
  Talk(const ContextOptions& options, const std::string& embedder, DType dtype, int64_t window = 96)
      : context(options),
        model(short_windows(context, embedder, dtype, window)),
        memory(context, model, nullptr, {}),
        stream(context, model, make_embedder(context, *model), memory, {}) {}

  std::vector<float> next(int32_t id) {
    stream.read(std::span(&id, 1), Want::last);
    const auto* row = stream.logits().data<float>();
    return {row, row + model->config.vocab};
  }

  Context context;
  std::shared_ptr<const LoadedModel> model;
  DialogMemory memory;
  Stream stream;
};

Ids some_ids(size_t count) {
  Ids ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(300 + i * 37 % 3000));
  return ids;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class DecodeOnDevice : public testing::TestWithParam<std::tuple<const char*, DType>> {};

/// Over ends of chunks, where other memory is read, and of a window.
TEST_P(DecodeOnDevice, RecordedTokensHaveTheBitsOfThoseThatAreNot) {
  const auto& [embedder, dtype] = GetParam();
  Talk recorded({.device = Device::cuda}, embedder, dtype);
  Talk plain({.device = Device::cuda, .record = false}, embedder, dtype);
  const Ids ids = some_ids(102);
  for (Talk* talk : {&recorded, &plain}) {
    talk->stream.read(std::span(ids).first(76));
    talk->stream.measure_attention(true);
  }
  for (size_t at = 76; at < ids.size(); ++at) {
    ASSERT_TRUE(same_bits(recorded.next(ids[at]), plain.next(ids[at]))) << at;
  }
  EXPECT_GT(recorded.stream.decoder()->launched(), 15);
  EXPECT_EQ(plain.stream.decoder()->launched(), 0);
  const auto found = recorded.stream.measured();
  const auto wanted = plain.stream.measured();
  ASSERT_EQ(found.size(), wanted.size());
  ASSERT_FALSE(found.empty());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].attention, wanted[i].attention);
  const auto& chunks = recorded.memory.pending();
  ASSERT_EQ(chunks.size(), plain.memory.pending().size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].vector, plain.memory.pending()[i].vector);
    for (const auto& [a, b] : {std::pair(chunks[i].k.view(), plain.memory.pending()[i].k.view()),
                               std::pair(chunks[i].v.view(), plain.memory.pending()[i].v.view())}) {
      EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, DecodeOnDevice,
                         testing::Values(std::tuple("sif", DType::f32),
                                         std::tuple("pooled", DType::bf16)));

/// Memory of 48 tokens: layers that read none have keys for another piece at other positions.
TEST(DecodeInTurns, LayersAreCutByWhatTheyRead) {
  constexpr int64_t kWindow = 288;
  Talk recorded({.device = Device::cuda}, "sif", DType::f32, kWindow);
  Talk plain({.device = Device::cuda, .record = false}, "sif", DType::f32, kWindow);
  const Ids ids = some_ids(600);
  // The second window begins at token 256; at token 511 such layers have 256 keys, the others 304.
  for (Talk* talk : {&recorded, &plain}) talk->stream.read(std::span(ids).first(502));
  for (size_t at = 502; at < 520; ++at) {
    ASSERT_TRUE(same_bits(recorded.next(ids[at]), plain.next(ids[at]))) << at;
  }
  EXPECT_GT(recorded.stream.decoder()->launched(), 8);
}

/// A longer prompt moves scratch memory, and tokens that are taken back leave their places.
TEST(DecodeInTurns, PromptsBetweenAnswersAndTokensTakenBack) {
  Talk recorded({.device = Device::cuda}, "sif", DType::f32);
  Talk plain({.device = Device::cuda, .record = false}, "sif", DType::f32);
  const Ids ids = some_ids(90);
  const auto both = [&](const std::function<void(Talk&)>& fn) {
    fn(recorded);
    fn(plain);
  };
  const auto answer = [&](size_t begin, size_t end) {
    for (size_t at = begin; at < end; ++at) {
      ASSERT_TRUE(same_bits(recorded.next(ids[at]), plain.next(ids[at]))) << at;
    }
  };
  both([&](Talk& talk) { talk.stream.read(std::span(ids).first(5)); });
  answer(5, 9);
  both([&](Talk& talk) { talk.stream.read(std::span(ids).subspan(9, 30)); });
  answer(39, 45);
  both([&](Talk& talk) { talk.stream.drop_last(3); });
  answer(42, 46);
  both([&](Talk& talk) { talk.stream.measure_attention(true); });
  answer(46, 52);
  EXPECT_GT(recorded.stream.decoder()->launched(), 6);
}

/// The candidates of the next token come from the device, and are the host's.
TEST(SessionOnDevice, AnswersAreTheCpus) {
  const auto answer = [](Device device, float temperature) {
    Context context({.device = device});
    const auto model = short_windows(context, "sif", DType::f32);
    SessionOptions session_options;
    session_options.seed = 7;
    Session session(context, model, make_embedder(context, *model), nullptr, session_options);
    for (const tokenizer::Message& message : test::small_talk(2)) session.add(message);
    session.add({"user", "Thank you. Is it far from here?"});
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.max_tokens = 8;
    return session.answer(options);
  };
  for (const float temperature : {0.0F, 0.8F}) {
    const Answer found = answer(Device::cuda, temperature);
    const Answer wanted = answer(Device::cpu, temperature);
    EXPECT_EQ(found.ids, wanted.ids);
    EXPECT_EQ(found.text, wanted.text);
    ASSERT_EQ(found.retrieved.size(), wanted.retrieved.size());
    for (size_t i = 0; i < found.retrieved.size(); ++i) {
      EXPECT_EQ(found.retrieved[i].begin, wanted.retrieved[i].begin);
      EXPECT_NEAR(found.retrieved[i].attention, wanted.retrieved[i].attention, 1e-5);
    }
  }
}

}  // namespace
}  // namespace memlong::engine
