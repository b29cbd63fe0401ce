#include "engine/stream.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using Ids = std::vector<int32_t>;

/// A stream over the reference model whose memory is its own past.
struct Reader {
  explicit Reader(DType dtype = DType::f32, bool use_memory = true)
      : model(test::reference_model(context, dtype)),
        memory(context, model, nullptr, {}),
        stream(context, model, make_embedder(context, *model), memory, {.use_memory = use_memory}) {
    stream.on_segment([this](const SegmentRecord& record) { segments.push_back(record); });
  }

  Context context;
  std::shared_ptr<const LoadedModel> model;
  DialogMemory memory;
  Stream stream;
  std::vector<SegmentRecord> segments;
};

/// Ids of a dialog of small talk, `count` tokens.
Ids talk(const LoadedModel& model, size_t count) {
  Ids ids = model.chat->opening();
  size_t before = 0;
  for (const tokenizer::Message& message : test::small_talk(200)) {
    const Ids more = model.chat->encode(message, before++).ids;
    ids.insert(ids.end(), more.begin(), more.end());
  }
  EXPECT_GE(ids.size(), count);
  ids.resize(count);
  return ids;
}

/// The largest difference, as a share of the largest value.
double relative_difference(const TensorView& a, const TensorView& b) {
  EXPECT_EQ(a.elements(), b.elements());
  double largest = 0.0;
  double value = 0.0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    largest = std::max(largest, std::abs(double{a.data<float>()[i]} - b.data<float>()[i]));
    value = std::max(value, std::abs(double{b.data<float>()[i]}));
  }
  EXPECT_GT(value, 0.0);
  return largest / value;
}

std::vector<int64_t> begins(const SegmentRecord& record) {
  std::vector<int64_t> list;
  if (record.set == nullptr) return list;
  for (const RetrievedChunk& chunk : record.set->chunks) list.push_back(chunk.begin);
  return list;
}

TEST(Stream, PiecesAndSingleTokensGiveWhatOneReadGives) {
  Reader whole;
  const Ids ids = talk(*whole.model, 1300);
  whole.stream.read(ids, Want::all);
  Reader pieces;
  Reader single;
  double worst = 0.0;
  for (size_t at = 0; at < ids.size();) {
    const size_t count = std::min(ids.size() - at, 1 + at % 97);
    pieces.stream.read(std::span(ids).subspan(at, count), Want::all);
    const auto rows =
        whole.stream.logits().slice(0, static_cast<int64_t>(at), static_cast<int64_t>(at + count));
    worst = std::max(worst, relative_difference(pieces.stream.logits(), rows));
    at += count;
  }
  EXPECT_LE(worst, 4e-5);
  for (size_t at = 0; at < ids.size(); ++at) {
    single.stream.read(std::span(ids).subspan(at, 1), at % 100 == 99 ? Want::last : Want::nothing);
    if (at % 100 != 99) continue;
    const auto row =
        whole.stream.logits().slice(0, static_cast<int64_t>(at), static_cast<int64_t>(at) + 1);
    EXPECT_LE(relative_difference(single.stream.logits(), row), 4e-5) << at;
  }
  ASSERT_EQ(single.segments.size(), whole.segments.size());
  ASSERT_EQ(pieces.segments.size(), whole.segments.size());
  size_t with_memory = 0;
  for (size_t i = 0; i < whole.segments.size(); ++i) {
    EXPECT_EQ(begins(single.segments[i]), begins(whole.segments[i])) << i;
    EXPECT_EQ(begins(pieces.segments[i]), begins(whole.segments[i])) << i;
    with_memory += begins(whole.segments[i]).empty() ? 0 : 1;
  }
  EXPECT_GT(with_memory, 10U);
}

TEST(Stream, LaterTextChangesNothingEarlierBitForBit) {
  Reader first;
  Reader second;
  Ids ids = talk(*first.model, 1200);
  first.stream.read(ids, Want::all);
  constexpr int64_t kChanged = 900;
  for (size_t i = kChanged; i < ids.size(); ++i) ids[i] = 300 + (ids[i] * 7 + 13) % 3000;
  second.stream.read(ids, Want::all);
  const int64_t vocab = first.model->config.vocab;
  EXPECT_EQ(std::memcmp(first.stream.logits().data<float>(), second.stream.logits().data<float>(),
                        static_cast<size_t>(kChanged * vocab) * sizeof(float)),
            0);
  EXPECT_GT(relative_difference(first.stream.logits().slice(0, kChanged, kChanged + 50),
                                second.stream.logits().slice(0, kChanged, kChanged + 50)),
            0.1);
  size_t compared = 0;
  for (size_t i = 0; i < first.segments.size() && first.segments[i].position <= kChanged; ++i) {
    EXPECT_EQ(begins(first.segments[i]), begins(second.segments[i]));
    ++compared;
  }
  EXPECT_GT(compared, 10U);
}

TEST(Stream, NothingInsideTheWindowIsRetrieved) {
  Reader reader;
  reader.stream.read(talk(*reader.model, 2000), Want::nothing);
  size_t chunks = 0;
  for (const SegmentRecord& record : reader.segments) {
    if (record.set == nullptr) continue;
    EXPECT_LE(static_cast<int64_t>(record.set->chunks.size()), reader.model->settings.set_chunks());
    int64_t last = -1;
    for (const RetrievedChunk& chunk : record.set->chunks) {
      EXPECT_LE(chunk.begin + chunk.tokens, record.window_start);
      EXPECT_GT(chunk.begin, last) << "oldest first";
      last = chunk.begin;
      ++chunks;
    }
  }
  EXPECT_GE(chunks, 24U);
}

TEST(Stream, WindowsStandAtMultiplesOfTheStride) {
  Reader reader;
  const Ids ids = talk(*reader.model, 1000);
  const int64_t window = reader.model->settings.window;
  const auto whole = static_cast<size_t>(window);
  reader.stream.read(std::span(ids).first(whole), Want::nothing);
  EXPECT_EQ(reader.stream.window_start(), 0);
  reader.stream.read(std::span(ids).subspan(whole, 1), Want::nothing);
  EXPECT_EQ(reader.stream.window_start(), window - reader.model->settings.overlap);
  EXPECT_EQ(reader.stream.completed(), window);
  EXPECT_EQ(reader.memory.pending().size(), whole / 64);
}

TEST(Stream, RestoredGoesOnAsIfNeverStopped) {
  Reader whole;
  const Ids ids = talk(*whole.model, 1100);
  whole.stream.read(std::span(ids).first(1000));
  whole.stream.begin_answer(940, 960);
  whole.stream.read(std::span(ids).subspan(1000), Want::all);

  Reader again;
  const Ids past(ids.begin(), ids.begin() + 1000);
  for (const EncodedChunk& chunk : whole.memory.pending()) {
    EncodedChunk copy = chunk;
    again.memory.completed(std::move(copy));
  }
  again.stream.restore(past, {}, 1000 / 64 * 64);
  EXPECT_EQ(again.stream.window_start(), 768);
  again.stream.begin_answer(940, 960);
  again.stream.read(std::span(ids).subspan(1000), Want::all);
  EXPECT_LE(relative_difference(again.stream.logits(), whole.stream.logits()), 2e-5);
  EXPECT_EQ(begins(again.stream.segment()), begins(whole.stream.segment()));
  EXPECT_FALSE(begins(whole.stream.segment()).empty());
}

TEST(Stream, AMessageIsReadAgainWithWhatItFinds) {
  Reader late;
  const Ids ids = talk(*late.model, 2000);
  late.stream.read(std::span(ids).first(1920));
  const size_t before = late.segments.size();
  late.stream.begin_answer(1850, 1920);
  EXPECT_EQ(late.stream.unread(), 70);
  late.stream.read(std::span(ids).subspan(1920, 20), Want::all);
  ASSERT_EQ(late.segments.size(), before + 1) << "one set for the message and the answer";
  EXPECT_EQ(late.segments.back().position, 1850);

  Reader early;  // knows what is asked before it reads the message
  early.stream.read(std::span(ids).first(1850));
  early.stream.append(std::span(ids).subspan(1850, 70));
  early.stream.begin_answer(1850, 1920);
  early.stream.read(std::span(ids).subspan(1920, 20), Want::all);
  EXPECT_LE(relative_difference(late.stream.logits(), early.stream.logits()), 2e-5);

  Reader without;  // the message reads what the chunks before it find
  without.stream.read(std::span(ids).first(1920));
  without.stream.begin_answer(1920, 1920);
  without.stream.read(std::span(ids).subspan(1920, 20), Want::all);
  EXPECT_GT(relative_difference(late.stream.logits(), without.stream.logits()), 1e-3);
}

TEST(Stream, MemoryMattersAndIsMeasured) {
  Reader with(DType::f32, true);
  Reader without(DType::f32, false);
  const Ids ids = talk(*with.model, 1000);
  with.stream.measure_attention(true);
  with.stream.read(ids, Want::last);
  without.stream.read(ids, Want::last);
  EXPECT_GT(relative_difference(with.stream.logits(), without.stream.logits()), 0.01);
  double total = 0.0;
  for (const RetrievedChunk& chunk : with.stream.measured()) {
    EXPECT_GT(chunk.attention, 0.0);
    total += chunk.attention;
  }
  EXPECT_GT(total, 0.0);
  EXPECT_LT(total, 1.0);
  EXPECT_TRUE(without.segments.empty());
}

}  // namespace
}  // namespace memlong::engine
