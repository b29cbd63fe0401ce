#include "train/cut.h"

#include <gmock/gmock.h>

#include "train/small_corpus.h"

namespace memlong::train {
namespace {

using testing::ElementsAre;

constexpr TokenWeights kWeights = {.text = 0.5, .user = 0.25, .assistant = 2.0, .answer = 8.0};

/// Turns of four tokens: user 100..103, assistant 104..107, user 108..111, assistant 112..115. The
/// last answer, 113..115, is probed: 114 is its string.
Document dialog() {
  Document document = test::counted_dialog(100, 4, 4);
  document.kinds[14] = TokenKind::answer;
  document.answers.push_back({.begin = 13, .end = 16, .kind = AnswerKind::told, .fact = 4});
  return document;
}

TEST(CutSequence, RowsTargetsAndWeights) {
  const Sequence cut = cut_sequence(dialog(), {.begin = 10, .end = 16}, kWeights);
  EXPECT_THAT(cut.ids, ElementsAre(110, 111, 112, 113, 114, 115));
  EXPECT_THAT(cut.targets, ElementsAre(111, 112, 113, 114, 115, -1));
  EXPECT_THAT(cut.weights, ElementsAre(0.25F, 0.25F, 2.0F, 8.0F, 2.0F, 0.0F));
  ASSERT_EQ(cut.answers.size(), 1U);
  EXPECT_EQ(cut.answers[0].begin, 2) << "the row whose target is 113";
  EXPECT_EQ(cut.answers[0].end, 5);
  EXPECT_EQ(cut.position, 0);
  EXPECT_TRUE(cut.segments.empty());
}

TEST(CutSequence, TheRestOfAReplyWeighsAsTheAssistantUnlessSaid) {
  Document document = dialog();
  document.kinds[13] = TokenKind::reply;
  document.kinds[15] = TokenKind::reply;
  const Cut cut = {.begin = 10, .end = 16};
  EXPECT_THAT(cut_sequence(document, cut, kWeights).weights,
              ElementsAre(0.25F, 0.25F, 2.0F, 8.0F, 2.0F, 0.0F));
  TokenWeights weights = kWeights;
  weights.reply = 3.0;
  EXPECT_THAT(cut_sequence(document, cut, weights).weights,
              ElementsAre(0.25F, 0.25F, 3.0F, 8.0F, 3.0F, 0.0F));
  weights.reply = 0.0;
  EXPECT_THAT(cut_sequence(document, cut, weights).weights,
              ElementsAre(0.25F, 0.25F, 0.0F, 8.0F, 0.0F, 0.0F));
}

TEST(CutSequence, WhatTheQueryHoldsIsNoTargetOfWhatReadsIt) {
  const Cut cut = {.begin = 2, .end = 15, .queried = true};
  const Sequence sequence = cut_sequence(dialog(), cut, kWeights);
  // Messages 100..103 and 108..111 are read with what they find: rows 102 and 108 to 110 would
  // predict tokens of them. Row 107 reads what the message before found, rows 103 and 111 predict
  // the mark of the answer.
  EXPECT_THAT(sequence.targets,
              ElementsAre(-1, 104, 105, 106, 107, 108, -1, -1, -1, 112, 113, 114, 115));
  EXPECT_THAT(sequence.weights, ElementsAre(0.0F, 0.25F, 2.0F, 2.0F, 2.0F, 0.25F, 0.0F, 0.0F, 0.0F,
                                            0.25F, 2.0F, 8.0F, 2.0F));
  Document again = dialog();  // the second answer is one more to the first message
  again.spans[1].from = again.spans[1].begin;
  EXPECT_THAT(cut_sequence(again, {.begin = 8, .end = 12, .queried = true}, kWeights).targets,
              ElementsAre(109, 110, 111, 112));
}

TEST(CutSequence, TheLastTargetMayStandBehindTheEnd) {
  const Sequence cut = cut_sequence(dialog(), {.begin = 11, .end = 15}, kWeights);
  EXPECT_THAT(cut.targets, ElementsAre(112, 113, 114, 115));
  ASSERT_EQ(cut.answers.size(), 1U);
  EXPECT_EQ(cut.answers[0].end, 4);
  EXPECT_TRUE(cut_sequence(dialog(), {.begin = 11, .end = 14}, kWeights).answers.empty());
  EXPECT_TRUE(cut_sequence(dialog(), {.begin = 13, .end = 16}, kWeights).answers.empty());
}

TEST(CutSequence, BosInFrontHasNoTarget) {
  const Sequence cut = cut_sequence(dialog(), {.begin = 11, .end = 16, .lead_bos = 1}, kWeights);
  EXPECT_THAT(cut.ids, ElementsAre(1, 111, 112, 113, 114, 115));
  EXPECT_THAT(cut.targets, ElementsAre(-1, 112, 113, 114, 115, -1));
  EXPECT_EQ(cut.weights[0], 0.0F);
  EXPECT_EQ(cut.weights[1], 0.25F);
  EXPECT_EQ(cut.answers.at(0).begin, 2);
  EXPECT_EQ(cut.answers.at(0).end, 5);
}

TEST(CutSequence, TokensReadAgainHaveNoTargets) {
  const Sequence cut = cut_sequence(dialog(), {.begin = 10, .end = 16, .fresh = 12}, kWeights);
  EXPECT_THAT(cut.targets, ElementsAre(-1, -1, 113, 114, 115, -1));
  EXPECT_EQ(cut.answers.size(), 1U);
  EXPECT_TRUE(
      cut_sequence(dialog(), {.begin = 10, .end = 16, .fresh = 13}, kWeights).answers.empty());
}

TEST(CutSequence, ADocumentMayEndEarlier) {
  const Sequence cut =
      cut_sequence(test::counted_text(7, 10), {.begin = 2, .end = 5, .limit = 5}, kWeights);
  EXPECT_THAT(cut.targets, ElementsAre(10, 11, -1));
  EXPECT_THAT(cut.weights, ElementsAre(0.5F, 0.5F, 0.0F));
}

TEST(CutSequence, WhatCannotBeKnownIsNotTaught) {
  const Sequence cut = cut_sequence(dialog(), {.begin = 10, .end = 16, .known = 5}, kWeights);
  EXPECT_THAT(cut.weights, ElementsAre(0.25F, 0.25F, 0.0F, 0.0F, 0.0F, 0.0F));
  EXPECT_TRUE(cut.answers.empty());
  EXPECT_TRUE(
      cut_sequence(dialog(), {.begin = 10, .end = 16, .answers = false}, kWeights).answers.empty());
}

}  // namespace
}  // namespace memlong::train
