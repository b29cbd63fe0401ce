// A session step by step: beside others, and given up on the way.
#include <gmock/gmock.h>

#include "engine/session.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

constexpr const char* kQuestion = "Where did I leave my umbrella?";

class SessionSteps : public testing::Test {
 protected:
  SessionSteps()
      : model_(test::reference_model(context_, DType::f32)),
        embedder_(make_embedder(context_, *model_)) {}

  /// A dialog of some 4 to 12 chunks, its last message a question.
  std::unique_ptr<Session> talk(int messages, const char* place) {
    auto session =
        std::make_unique<Session>(context_, model_, embedder_, nullptr, SessionOptions{.seed = 1});
    session->add({"user", std::string("My umbrella is ") + place + "."});
    session->add({"assistant", std::string("Your umbrella: ") + place + ". Noted."});
    for (const tokenizer::Message& message : test::small_talk(messages, 0)) session->add(message);
    session->add({"user", kQuestion});
    return session;
  }

  static GenerateOptions greedy(int64_t tokens = 16) {
    GenerateOptions options;
    options.sampling.temperature = 0.0F;
    options.max_tokens = tokens;
    return options;
  }

  static void expect_same(const Session& got, const Session& want) {
    EXPECT_EQ(got.last_answer().ids, want.last_answer().ids);
    EXPECT_EQ(got.last_answer().text, want.last_answer().text);
    EXPECT_EQ(got.last_answer().reason, want.last_answer().reason);
    EXPECT_EQ(got.last_answer().prompt_tokens, want.last_answer().prompt_tokens);
    EXPECT_EQ(got.stream().tokens(), want.stream().tokens());
    EXPECT_EQ(got.stream().completed(), want.stream().completed());
    ASSERT_EQ(got.turns().size(), want.turns().size());
    ASSERT_EQ(got.last_answer().retrieved.size(), want.last_answer().retrieved.size());
    for (size_t i = 0; i < want.last_answer().retrieved.size(); ++i) {
      const RetrievedChunk& chunk = got.last_answer().retrieved[i];
      EXPECT_EQ(chunk.begin, want.last_answer().retrieved[i].begin);
      EXPECT_NEAR(chunk.attention, want.last_answer().retrieved[i].attention, 1e-4);
    }
  }

  Context context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
};

TEST_F(SessionSteps, SideBySideAsAlone) {
  const std::vector<int> lengths = {4, 13, 8};
  const std::vector<const char*> places = {"under the stairs", "in the garden", "at the office"};
  std::vector<std::unique_ptr<Session>> alone;
  std::vector<std::unique_ptr<Session>> together;
  std::vector<Session*> busy;
  for (size_t i = 0; i < lengths.size(); ++i) {
    alone.push_back(talk(lengths[i], places[i]));
    EXPECT_NE(alone[i]->answer(greedy()).text, "");
    together.push_back(talk(lengths[i], places[i]));
    together[i]->begin_answer(greedy());
    busy.push_back(together[i].get());
  }
  int rounds = 0;
  for (; !busy.empty(); ++rounds) {
    for (const std::exception_ptr& error : step_together(busy)) EXPECT_EQ(error, nullptr);
    std::erase_if(busy, [](const Session* session) { return !session->busy(); });
  }
  EXPECT_GT(rounds, 10);
  EXPECT_LT(rounds, 40) << "a token of each in every round";
  for (size_t i = 0; i < lengths.size(); ++i) expect_same(*together[i], *alone[i]);
}

TEST_F(SessionSteps, AQuestionThatIsGivenUpStaysAndCanBeAnswered) {
  const auto never = talk(20, "under the stairs");
  const auto session = talk(20, "under the stairs");
  std::string heard;
  session->begin_answer(greedy(), [&](std::string_view text) { return heard += text, true; });
  ASSERT_GT(session->stream().unread(), model_->window_capacity());
  EXPECT_TRUE(session->step());
  EXPECT_GT(session->stream().unread(), 0) << "a step reads one window";
  session->give_up();
  EXPECT_FALSE(session->busy());
  EXPECT_EQ(heard, "");
  EXPECT_EQ(session->turns().size(), never->turns().size());
  EXPECT_EQ(session->tokens(), never->tokens());
  session->answer(greedy());
  never->answer(greedy());
  EXPECT_EQ(session->last_answer().ids, never->last_answer().ids);
  EXPECT_EQ(session->stream().tokens(), never->stream().tokens());
}

TEST_F(SessionSteps, AnAnswerThatIsGivenUpIsInterrupted) {
  const auto session = talk(6, "under the stairs");
  std::string heard;
  session->begin_answer(greedy(), [&](std::string_view text) { return heard += text, true; });
  while (session->last_answer().ids.size() < 3) ASSERT_TRUE(session->step());
  session->give_up();
  EXPECT_FALSE(session->busy());
  EXPECT_EQ(session->last_answer().reason, StopReason::interrupted);
  EXPECT_EQ(session->last_answer().ids.size(), 3U);
  EXPECT_EQ(session->turns().back().role, "assistant");
  EXPECT_EQ(session->turns().back().content, session->last_answer().text);
  EXPECT_TRUE(session->last_answer().text.starts_with(heard));
  session->add({"user", "Go on."});
  EXPECT_NE(session->answer(greedy()).text, "");
}

/// Over several retrievals: what they found together.
TEST_F(SessionSteps, WhatAnAnswerReadsIsToldAlsoWhereItIsNotMeasured) {
  std::string endless = "What of Paris?";
  for (int i = 0; i < 60; ++i) endless += " word";
  std::vector<std::vector<int64_t>> read;
  for (const bool measured : {true, false}) {
    const auto session = talk(30, "under the stairs");
    session->add({"assistant", "Under the stairs."});
    session->add({"user", endless});
    GenerateOptions options = greedy(130);
    options.measure_attention = measured;
    const Answer answer = session->answer(options);
    EXPECT_EQ(answer.ids.size(), 130U);
    read.emplace_back();
    for (const RetrievedChunk& chunk : answer.retrieved) read.back().push_back(chunk.begin);
    EXPECT_TRUE(std::ranges::is_sorted(answer.retrieved, std::greater{}, &RetrievedChunk::score));
  }
  EXPECT_GT(read[0].size(), static_cast<size_t>(model_->settings.top_k));
  EXPECT_THAT(read[1], testing::UnorderedElementsAreArray(read[0]));
}

TEST_F(SessionSteps, NoTokensAreAnAnswerToo) {
  const auto session = talk(2, "here");
  session->answer(greedy(0));
  EXPECT_EQ(session->last_answer().reason, StopReason::length);
  EXPECT_EQ(session->last_answer().text, "");
}

}  // namespace
}  // namespace memlong::engine
