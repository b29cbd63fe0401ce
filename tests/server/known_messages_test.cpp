#include "server/known_messages.h"

#include <gmock/gmock.h>

namespace memlong::server {
namespace {

using membank::Turn;
using testing::Optional;
using tokenizer::Message;

std::vector<Turn> turns_of(const std::vector<Message>& messages) {
  std::vector<Turn> turns;
  for (const Message& message : messages) {
    Turn turn;
    turn.role = message.role;
    turn.content = message.content;
    turns.push_back(turn);
  }
  return turns;
}

const Message kSystem{"system", "Be brief."};
const Message kHat{"user", "My hat is red."};
const Message kNoted{"assistant", "Noted.\n"};
const Message kWhich{"user", "Which hat?"};
const Message kRed{"assistant", "The red one."};
const Message kThanks{"user", "Thanks."};

TEST(KnownOfNamed, ADialogThatHasNotBegunKnowsNothing) {
  EXPECT_THAT(known_of_named({}, {kSystem, kHat}), Optional(0));
  EXPECT_THAT(known_of_named({}, {kHat, kNoted, kWhich}), Optional(0));
}

TEST(KnownOfNamed, AllOfADialogIsSentAgain) {
  const auto turns = turns_of({kHat, kNoted});
  EXPECT_THAT(known_of_named(turns, {kHat, kNoted, kWhich}), Optional(2));
  EXPECT_THAT(known_of_named(turns_of({kSystem, kHat, kNoted}), {kSystem, kHat, kNoted, kWhich}),
              Optional(3));
}

TEST(KnownOfNamed, ADialogThatWasCutShortGoesOn) {
  const std::vector<Message> all = {kSystem, kHat, kNoted, kWhich};
  for (size_t held = 0; held < all.size(); ++held) {
    const auto turns = turns_of({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(held)});
    EXPECT_THAT(known_of_named(turns, all), Optional(held));
  }
}

TEST(KnownOfNamed, ClientsTrimAnswersAndNothingElse) {
  const auto turns = turns_of({kHat, kNoted});
  EXPECT_THAT(known_of_named(turns, {kHat, {"assistant", "Noted."}, kWhich}), Optional(2));
  EXPECT_THAT(known_of_named(turns, {kHat, {"assistant", " Noted."}, kWhich}), Optional(2));
  EXPECT_THAT(known_of_named(turns_of({kHat, {"assistant", " Noted."}}), {kHat, kNoted, kWhich}),
              Optional(2));
  EXPECT_EQ(known_of_named(turns, {kHat, {"assistant", "noted."}, kWhich}), std::nullopt);
  EXPECT_EQ(known_of_named(turns, {{"user", "My hat is red. "}, {"assistant", "x"}, kWhich}),
            std::nullopt);
}

TEST(KnownOfNamed, TheLastPartOfADialogIsEnough) {
  const auto turns = turns_of({kSystem, kHat, kNoted, kWhich, kRed});
  EXPECT_THAT(known_of_named(turns, {kWhich, kRed, kThanks}), Optional(2));
  EXPECT_THAT(known_of_named(turns, {kSystem, kWhich, kRed, kThanks}), Optional(3));
  EXPECT_THAT(known_of_named(turns, {kRed, kThanks}), Optional(1));
}

TEST(KnownOfNamed, OnlyWhatIsNew) {
  const auto turns = turns_of({kSystem, kHat, kNoted});
  EXPECT_THAT(known_of_named(turns, {kWhich}), Optional(0));
  EXPECT_THAT(known_of_named(turns, {kHat}), Optional(0)) << "the same words, said once more";
  EXPECT_THAT(known_of_named(turns, {kSystem, kWhich}), Optional(1));
  EXPECT_THAT(known_of_named(turns, {{"system", "Another one."}, kWhich}), Optional(1));
  EXPECT_THAT(known_of_named(turns, {kWhich, kThanks}), Optional(0));
}

TEST(KnownOfNamed, AQuestionThatWasAnsweredIsNotAskedTwice) {
  const auto turns = turns_of({kSystem, kHat, kNoted, kWhich, kRed});
  EXPECT_THAT(known_of_named(turns, {kSystem, kHat, kNoted, kWhich}), Optional(4));
  EXPECT_THAT(known_of_named(turns, {kNoted, kWhich}), Optional(2)) << "its last part";
  EXPECT_THAT(known_of_named(turns, {kWhich}), Optional(0)) << "the same words, said once more";
  EXPECT_EQ(known_of_named(turns, {kHat, kNoted, kThanks}), std::nullopt);
}

TEST(KnownOfNamed, AQuestionWithoutAnAnswerIsNotAskedTwice) {
  EXPECT_THAT(known_of_named(turns_of({kHat, kNoted, kWhich}), {kWhich}), Optional(1));
  EXPECT_THAT(known_of_named(turns_of({kHat, kNoted, kWhich}), {kHat, kNoted, kWhich}),
              Optional(3));
}

TEST(KnownOfNamed, AnotherHistoryIsRefused) {
  const auto turns = turns_of({kHat, kNoted, kWhich, kRed});
  EXPECT_EQ(known_of_named(turns, {kHat, {"assistant", "Fine."}, kWhich}), std::nullopt);
  EXPECT_EQ(known_of_named(turns, {kHat, kNoted, kThanks}), std::nullopt) << "an earlier state";
}

TEST(KnownOfNamed, WhoLeftHasHeardTheBeginningOfAnAnswer) {
  const Message heard{"assistant", "The red "};
  const Message nothing{"assistant", ""};
  auto turns = turns_of({kHat, kNoted, kWhich, kRed});
  EXPECT_THAT(known_of_named(turns, {kHat, kNoted, kWhich, heard, kThanks}), Optional(4));
  EXPECT_THAT(known_of_named(turns, {kHat, kNoted, kWhich, nothing, kThanks}), Optional(4));
  EXPECT_THAT(known_of_named(turns, {kWhich, heard, kThanks}), Optional(2));
  EXPECT_EQ(known_of_named(turns, {kHat, kNoted, kWhich, {"assistant", "The red one. And"}, kHat}),
            std::nullopt)
      << "more than was said";
  EXPECT_EQ(known_of_named(turns, {kHat, kNoted, {"user", "Which"}, kRed, kThanks}), std::nullopt)
      << "only answers are cut short";
  EXPECT_FALSE(continues(turns, {kHat, kNoted, kWhich, heard, kThanks}))
      << "an unnamed dialog might be another client's";
  // Later, too.
  for (const Message& message : {kThanks, kNoted}) {
    Turn turn;
    turn.role = message.role;
    turn.content = message.content;
    turns.push_back(turn);
  }
  EXPECT_THAT(known_of_named(turns, {kHat, kNoted, kWhich, heard, kThanks, kNoted, kHat}),
              Optional(6));
}

TEST(Continues, MessagesThatGoOn) {
  const auto turns = turns_of({kHat, kNoted});
  EXPECT_TRUE(continues(turns, {kHat, {"assistant", "Noted."}, kWhich}));
  EXPECT_FALSE(continues(turns, {kHat, kNoted})) << "nothing new";
  EXPECT_FALSE(continues(turns, {kSystem, kHat, kNoted, kWhich}));
  EXPECT_FALSE(continues(turns, {kNoted, kWhich, kThanks}));
  EXPECT_TRUE(continues({}, {kHat}));
}

}  // namespace
}  // namespace memlong::server
