#include "engine/answer_spans.h"

#include <gmock/gmock.h>

namespace memlong::engine {
namespace {

using testing::ElementsAre;

constexpr int64_t kChunk = 16;

membank::Turn turn(const char* role, int64_t begin, int64_t end, bool marked = true) {
  membank::Turn turn;
  turn.role = role;
  turn.begin = begin;
  turn.end = end;
  turn.content_begin = begin + (marked ? 1 : 0);
  return turn;
}

/// A message of tokens [20, 50), answered from 50 to 90; then one of [90, 95), not answered yet.
std::vector<AnswerSpan> one_answer() {
  return answer_spans({turn("user", 20, 50), turn("assistant", 50, 90), turn("user", 90, 95)});
}

std::vector<int64_t> points(const std::vector<AnswerSpan>& spans, int64_t window, int64_t end) {
  std::vector<int64_t> points;
  for (int64_t at = window; at < end; ++at) {
    if (is_retrieval_point(spans, at, window, kChunk)) points.push_back(at);
  }
  return points;
}

TEST(AnswerSpans, BeginWithTheMessageAndEndWhereTheUserSpeaksAgain) {
  const std::vector<AnswerSpan> spans = one_answer();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].from, 20);
  EXPECT_EQ(spans[0].begin, 50);
  EXPECT_EQ(spans[0].end, 90);
  EXPECT_EQ(spans[0].query_begin, 20);
  EXPECT_EQ(spans[0].query_end, 50);
}

TEST(AnswerSpans, ASecondAnswerLeavesTheMessageAlone) {
  const std::vector<AnswerSpan> spans =
      answer_spans({turn("system", 0, 9), turn("user", 9, 20), turn("assistant", 20, 30),
                    turn("assistant", 30, 44), turn("user", 44, 50)});
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].from, 9);
  EXPECT_EQ(spans[1].from, 30);
  EXPECT_EQ(spans[1].begin, 30);
  EXPECT_EQ(spans[1].query_begin, 9);
  EXPECT_EQ(span_at(spans, 29), 0);
  EXPECT_EQ(span_at(spans, 30), 1);
  EXPECT_EQ(span_at(spans, 44), -1) << "the first has no end of its own, the second has";
}

TEST(AnswerSpans, WithoutAMarkTheTokenBeforeIsTheAnswers) {
  const std::vector<AnswerSpan> spans =
      answer_spans({turn("user", 0, 30), turn("assistant", 30, 40, false)});
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].begin, 29);
  EXPECT_TRUE(answer_spans({turn("assistant", 0, 30)}).empty()) << "nobody asked";
}

TEST(AnswerSpans, AMessageAndAChunkOfItsAnswerAreReadWithOneSet) {
  const std::vector<AnswerSpan> spans = one_answer();
  EXPECT_THAT(points(spans, 0, 112), ElementsAre(0, 16, 20, 80, 96))
      << "32, 48 stand in the message, 64 in the first 16 tokens of the answer";
  EXPECT_THAT(points(spans, 40, 112), ElementsAre(40, 80, 96)) << "its end alone in the window";
  EXPECT_THAT(points(spans, 64, 112), ElementsAre(64, 80, 96));
  EXPECT_THAT(points({}, 0, 60), ElementsAre(0, 16, 32, 48));
}

TEST(AnswerSpans, ChunksAskBesideTheMessageOnceTheAnswerIsAChunkLong) {
  const std::vector<AnswerSpan> spans = one_answer();
  for (const int64_t at : {20, 40, 50, 65}) {
    const RetrievalQueries queries = queries_at(spans, at, kChunk, 1);
    EXPECT_EQ(queries.span, 0) << at;
    EXPECT_TRUE(queries.message_alone) << at;
  }
  const RetrievalQueries later = queries_at(spans, 80, kChunk, 1);
  EXPECT_EQ(later.span, 0);
  EXPECT_FALSE(later.message_alone);
  EXPECT_EQ(later.text.begin, 64);
  EXPECT_EQ(later.text.end, 80);
  for (const int64_t at : {19, 90, 96}) EXPECT_EQ(queries_at(spans, at, kChunk, 1).span, -1) << at;
}

TEST(AnswerSpans, TextAsksWithItsLastWholeChunks) {
  const auto text_at = [](int64_t position, int64_t query_chunks) {
    const TokenRange text = queries_at({}, position, kChunk, query_chunks).text;
    return std::pair(text.begin, text.end);
  };
  EXPECT_EQ(text_at(100, 1), std::pair(int64_t{80}, int64_t{96}));
  EXPECT_EQ(text_at(96, 3), std::pair(int64_t{48}, int64_t{96}));
  EXPECT_EQ(text_at(40, 3), std::pair(int64_t{0}, int64_t{32})) << "there are only two";
  EXPECT_TRUE(queries_at({}, 15, kChunk, 3).text.empty());
}

}  // namespace
}  // namespace memlong::engine
