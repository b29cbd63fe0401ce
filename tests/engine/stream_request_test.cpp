// What a stream asks its memory for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/stream.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using testing::ElementsAre;
using Vector = std::vector<float>;

constexpr int64_t kTokens = 64;  // of a chunk of the reference model

/// Keeps what it is asked for, and gives nothing.
class Asked : public SetSource {
 public:
  std::shared_ptr<const RetrievedSet> retrieve(const SetRequest& request) override {
    requests.push_back(request);
    return nullptr;
  }
  void completed(EncodedChunk&& /*chunk*/) override {}
  void dropped(int64_t /*begin*/) override {}
  Vector known_vector(int64_t begin) override {
    known.push_back(begin);
    Vector vector(256, 0.0F);
    vector[static_cast<size_t>(begin / kTokens)] = 1.0F;
    return vector;
  }

  std::vector<SetRequest> requests;
  std::vector<int64_t> known;  ///< chunks whose vectors were asked for
};

class StreamRequest : public testing::Test {
 protected:
  void SetUp() override {
    model_ = std::make_shared<LoadedModel>(*test::reference_model(context_, DType::f32));
    model_->settings.window = 320;
    model_->settings.overlap = 128;
    model_->settings.query_chunks = 3;
    for (int32_t i = 0; i < 448; ++i) ids_.push_back(300 + i * 37 % 3000);
  }

  void read(Stream& stream, int64_t begin, int64_t end) const {
    stream.read({ids_.begin() + begin, ids_.begin() + end}, Want::all);
  }

  [[nodiscard]] Vector vector_of(int64_t begin, int64_t end) {
    const auto embedder = make_embedder(context_, *model_);
    Vector vector(static_cast<size_t>(embedder->dim()));
    embedder->embed(std::span(ids_).subspan(static_cast<size_t>(begin), end - begin), {}, vector);
    return vector;
  }

  Context context_;
  std::shared_ptr<LoadedModel> model_;
  std::vector<int32_t> ids_;
  Asked asked_;
};

TEST_F(StreamRequest, TextAsksWithItsLastChunksAndReadsRecentOnes) {
  Stream stream(context_, model_, make_embedder(context_, *model_), asked_, {});
  read(stream, 0, 448);
  // 64 to 256 in the first window; 192 to 384 in the second.
  ASSERT_EQ(asked_.requests.size(), 8U);
  EXPECT_THAT(asked_.requests[1].queries, ElementsAre(vector_of(0, 128)));
  EXPECT_THAT(asked_.requests[3].queries, ElementsAre(vector_of(64, 256)));
  EXPECT_EQ(asked_.requests[3].window_start, 0);
  EXPECT_THAT(asked_.requests[4].queries, ElementsAre(vector_of(0, 192)));
  EXPECT_EQ(asked_.requests[4].window_start, 192);
  for (const SetRequest& request : asked_.requests) EXPECT_TRUE(request.as_text);
}

TEST_F(StreamRequest, AsksWithNothingBeforeWhatItMayKnow) {
  Stream stream(context_, model_, make_embedder(context_, *model_), asked_,
                {.first_window = 192, .asks_from = 100});
  stream.restore({ids_.begin(), ids_.begin() + 192}, {}, 448);
  read(stream, 192, 448);
  ASSERT_EQ(asked_.requests.size(), 4U);
  EXPECT_THAT(asked_.requests[0].queries, ElementsAre(vector_of(100, 192)));
  EXPECT_THAT(asked_.requests[1].queries, ElementsAre(vector_of(100, 256)));
  EXPECT_THAT(asked_.requests[2].queries, ElementsAre(vector_of(128, 320)));
}

TEST_F(StreamRequest, AMessageAsksAloneAndReadsNoRecentOnes) {
  Stream stream(context_, model_, make_embedder(context_, *model_), asked_, {});
  read(stream, 0, 150);
  asked_.requests.clear();
  stream.begin_answer(100, 150);
  read(stream, 150, 260);
  ASSERT_EQ(asked_.requests.size(), 2U) << "for the message and its answer; and at 256";
  EXPECT_THAT(asked_.requests[0].queries, ElementsAre(vector_of(100, 150)));
  EXPECT_FALSE(asked_.requests[0].as_text);
  EXPECT_THAT(asked_.requests[1].queries, ElementsAre(vector_of(100, 150), vector_of(64, 256)));
  EXPECT_TRUE(asked_.requests[1].as_text);
}

TEST_F(StreamRequest, WhereHiddenStatesAreNeededTheLastChunkIsKnownBeforeTheWindow) {
  model_->settings.embedder = "pooled";
  Stream stream(context_, model_, make_embedder(context_, *model_), asked_, {});
  read(stream, 0, 448);
  ASSERT_EQ(asked_.requests.size(), 8U);
  EXPECT_THAT(asked_.known, ElementsAre(128)) << "at 192, where the second window begins";
  ASSERT_EQ(asked_.requests[4].queries.size(), 1U);
  EXPECT_EQ(asked_.requests[4].queries[0][2], 1.0F);
  ASSERT_EQ(asked_.requests[5].queries.size(), 1U);
  EXPECT_NE(asked_.requests[5].queries[0][2], 1.0F) << "of what the window holds";
}

}  // namespace
}  // namespace memlong::engine
