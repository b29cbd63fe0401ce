#include "engine/encoder.h"

#include <cmath>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "common/error.h"
#include "engine/bank_embedder.h"
#include "engine/dialog_memory.h"
#include "engine/stream.h"
#include "ops/copy.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using Ids = std::vector<int32_t>;

class EncoderTest : public testing::Test {
 protected:
  EncoderTest()
      : model_(test::reference_model(context_, DType::f32)),
        embedder_(make_embedder(context_, *model_)) {
    for (int i = 0; i < 1500; ++i) ids_.push_back(300 + (i * 37 + i / 11) % 3000);
  }

  std::vector<EncodedChunk> encode(size_t piece, int64_t done = 0, bool keep_tail = false) {
    std::vector<EncodedChunk> chunks;
    Encoder encoder(context_, model_, embedder_, DType::bf16,
                    [&](EncodedChunk&& chunk) { chunks.push_back(std::move(chunk)); });
    encoder.begin(done);
    for (size_t at = 0; at < ids_.size(); at += piece) {
      encoder.push(std::span(ids_).subspan(at, std::min(piece, ids_.size() - at)));
    }
    EXPECT_EQ(encoder.finish(keep_tail), static_cast<int64_t>(ids_.size()));
    return chunks;
  }

  static void expect_same(const EncodedChunk& a, const EncodedChunk& b) {
    EXPECT_EQ(a.begin, b.begin);
    EXPECT_EQ(a.ids, b.ids);
    EXPECT_EQ(a.vector, b.vector);
    ASSERT_EQ(a.k.bytes(), b.k.bytes());
    EXPECT_EQ(std::memcmp(a.k.view().raw(), b.k.view().raw(), a.k.bytes()), 0) << a.begin;
    EXPECT_EQ(std::memcmp(a.v.view().raw(), b.v.view().raw(), a.v.bytes()), 0) << a.begin;
  }

  Context context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  Ids ids_;
};

TEST_F(EncoderTest, ChunksCoverTheDocumentOnce) {
  const auto chunks = encode(ids_.size());
  ASSERT_EQ(chunks.size(), 24U);
  int64_t at = 0;
  for (const EncodedChunk& chunk : chunks) {
    EXPECT_EQ(chunk.begin, at);
    at += static_cast<int64_t>(chunk.ids.size());
  }
  EXPECT_EQ(at, 1500);
  EXPECT_EQ(chunks.back().ids.size(), 28U) << "the last chunk is stored short";
  EXPECT_EQ(encode(ids_.size(), 0, true).size(), 23U) << "or kept back";
}

/// A text is searched with what it would be found by.
TEST_F(EncoderTest, VectorsOfATextAreThoseOfItsChunks) {
  const std::string text = model_->tokens->decode(ids_);
  ids_ = model_->tokens->encode(text);
  const auto pooled = retriever::make_pooled_embedder(model_->config.hidden);
  for (const auto& embedder : {embedder_, pooled}) {
    embedder_ = embedder;
    const std::vector<EncodedChunk> chunks = encode(ids_.size());
    const auto vectors = text_vectors(context_, model_, embedder_, text);
    ASSERT_EQ(vectors.size(), chunks.size());
    for (size_t i = 0; i < chunks.size(); ++i) EXPECT_EQ(vectors[i], chunks[i].vector) << i;
    const std::atomic<bool> stop = true;
    EXPECT_THROW((void)text_vectors(context_, model_, embedder_, text, &stop), Error);
  }
}

TEST_F(EncoderTest, HowTheIdsArriveDoesNotMatter) {
  const auto whole = encode(ids_.size());
  const auto pieces = encode(13);
  ASSERT_EQ(whole.size(), pieces.size());
  for (size_t i = 0; i < whole.size(); ++i) expect_same(whole[i], pieces[i]);
}

TEST_F(EncoderTest, TakenUpAgainItGivesTheSameRest) {
  const auto whole = encode(ids_.size());
  for (const size_t done : {1U, 7U, 8U, 9U, 14U, 20U, 23U}) {
    const auto rest = encode(100, static_cast<int64_t>(done) * 64);
    ASSERT_EQ(rest.size(), whole.size() - done);
    for (size_t i = 0; i < rest.size(); ++i) expect_same(rest[i], whole[i + done]);
  }
}

TEST_F(EncoderTest, AgreesWithAStreamThatReadsTheSame) {
  const auto chunks = encode(ids_.size(), 0, true);
  DialogMemory memory(context_, model_, nullptr, {});
  Stream stream(context_, model_, embedder_, memory, {.kv_dtype = DType::f32});
  stream.read(ids_);
  ASSERT_EQ(memory.pending().size(), chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const EncodedChunk& own = memory.pending()[i];
    EXPECT_EQ(own.vector, chunks[i].vector);
    const Tensor k = ops::convert(context_, chunks[i].k, DType::f32);
    for (int64_t j = 0; j < k.view().elements(); ++j) {
      const float want = own.k.data<float>()[j];
      ASSERT_NEAR(k.data<float>()[j], want, 1e-3 + std::abs(want) / 128) << i;
    }
  }
}

/// What an encoder gives for several documents, with everything in its order.
struct Given {
  std::vector<std::string> order;
  std::vector<EncodedChunk> chunks;
  int64_t computed = 0;
};

Given encode_documents(Context& context, const std::shared_ptr<const LoadedModel>& model,
                       const Ids& ids, int64_t windows) {
  Given given;
  Encoder encoder(
      context, model, make_embedder(context, *model), DType::f32,
      [&](EncodedChunk&& chunk) {
        given.order.push_back("chunk at " + std::to_string(chunk.begin));
        given.chunks.push_back(std::move(chunk));
      },
      windows);
  struct Document {
    size_t tokens;
    int64_t done;
  };
  for (const Document& document :
       {Document{900, 0}, {30, 0}, {1500, 448}, {0, 0}, {64, 64}, {5, 0}, {700, 0}, {70, 0}}) {
    encoder.begin(document.done);
    encoder.then([&] { given.order.emplace_back("begin"); });
    const auto own = std::span(ids).subspan(document.tokens % 17, document.tokens);
    for (size_t at = 0; at < own.size(); at += 400) {
      encoder.then([&, at] { given.order.push_back("text at " + std::to_string(at)); });
      encoder.push(own.subspan(at, std::min<size_t>(400, own.size() - at)));
    }
    EXPECT_EQ(encoder.finish(), static_cast<int64_t>(document.tokens));
    encoder.then([&] { given.order.emplace_back("end"); });
  }
  encoder.flush();
  encoder.flush();
  given.computed = encoder.tokens_computed();
  return given;
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

TEST_F(EncoderTest, ManyWindowsAtOnceGiveTheSameChunksInTheSameOrder) {
  ids_.resize(1600, 400);
  const Given alone = encode_documents(context_, model_, ids_, 1);
  ASSERT_GT(alone.chunks.size(), 40U);
  for (const int64_t windows : {2, 4, 16}) {
    const Given together = encode_documents(context_, model_, ids_, windows);
    EXPECT_EQ(together.order, alone.order) << windows;
    EXPECT_EQ(together.computed, alone.computed);
    ASSERT_EQ(together.chunks.size(), alone.chunks.size());
    for (size_t i = 0; i < alone.chunks.size(); ++i) {
      const EncodedChunk& a = together.chunks[i];
      const EncodedChunk& b = alone.chunks[i];
      EXPECT_EQ(a.ids, b.ids);
      EXPECT_EQ(a.vector, b.vector);
      ASSERT_EQ(a.k.shape(), b.k.shape());
      EXPECT_LE(relative_difference(a.k, b.k), 1e-5) << windows << ", chunk " << i;
      EXPECT_LE(relative_difference(a.v, b.v), 1e-5) << windows << ", chunk " << i;
    }
  }
}

TEST_F(EncoderTest, ACallWithNothingBeforeItIsMadeAtOnce) {
  Encoder encoder(
      context_, model_, embedder_, DType::bf16, [](EncodedChunk&&) {}, 4);
  int calls = 0;
  encoder.begin();
  encoder.then([&] { ++calls; });
  EXPECT_EQ(calls, 1);
  encoder.push(std::span(ids_).first(100));
  encoder.finish();
  encoder.then([&] { ++calls; });
  EXPECT_EQ(calls, 1) << "a window waits for others";
  encoder.flush();
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace memlong::engine
