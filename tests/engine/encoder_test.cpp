#include "engine/encoder.h"

#include <cstring>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace memlong::engine
