// memlong-eval recall where a template has no mark that opens an answer.
#include "tools/memlong-eval/recall_run.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "support/paths.h"
#include "support/reference_model.h"
#include "tools/memlong-eval/scores.h"

namespace memlong::eval_tool {
namespace {

const std::string kDialogs = test::data_dir() + "/recall/recall-2k.jsonl";

class RecallRun : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto model =
        std::make_shared<engine::LoadedModel>(*test::reference_model(context_, DType::f32));
    model->chat = tokenizer::make_chat_template(GetParam(), model->tokens);
    model_ = model;
    embedder_ = engine::make_embedder(context_, *model_);
    dialog_ = read_recall_dialogs(kDialogs, 1, *model_).front();
  }

  /// What a stream that reads up to the answer's end, in the window of the outcome, thinks of it.
  double log_probability_of(const Outcome& outcome) {
    engine::DialogMemory memory(context_, model_, nullptr, {});
    engine::Stream stream(context_, model_, embedder_, memory,
                          {.use_memory = false, .first_window = outcome.window_start});
    const auto at = [this](int64_t token) { return dialog_.ids.begin() + token; };
    const int64_t content = dialog_.turns[outcome.probe->turn].content_begin;
    stream.restore({at(0), at(content - 1)}, {}, content - 1);
    const std::vector<int32_t> rest(at(content - 1), at(outcome.answer_end - 1));
    stream.read(rest, engine::Want::all);
    return log_probability(stream.logits(), outcome.wanted);
  }

  void check(const std::vector<Outcome>& outcomes) {
    ASSERT_EQ(outcomes.size(), dialog_.probes.size());
    size_t compared = 0;
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(outcome.argmax.size(), outcome.wanted.size());
      // In a session the window may move on within an answer.
      if (outcome.answer_end - outcome.window_start > model_->window_capacity()) continue;
      ++compared;
      EXPECT_NEAR(outcome.log_probability, log_probability_of(outcome),
                  1e-3 * std::abs(outcome.log_probability));
    }
    EXPECT_GE(compared, outcomes.size() / 2);
  }

  static void nothing(int64_t /*tokens*/) {}

  Context context_;
  std::shared_ptr<const engine::LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  RecallDialog dialog_;
};

TEST_P(RecallRun, QuestionsAreJudgedFromTheFirstTokenOfTheAnswer) {
  check(ask_questions(context_, model_, embedder_, dialog_, {.use_memory = false}, nothing));
}

TEST_P(RecallRun, SoAreThoseOfASession) {
  check(read_session(context_, model_, embedder_, dialog_, {.use_memory = false}, nothing));
}

TEST_P(RecallRun, WithMemoryTheQuestionAsks) {
  const auto outcomes = ask_questions(context_, model_, embedder_, dialog_, {}, nothing);
  ASSERT_FALSE(outcomes.empty());
  int64_t retrieved = 0;
  for (const Outcome& outcome : outcomes) {
    EXPECT_FALSE(outcome.window_start > 0 && outcome.set.empty());
    retrieved += outcome.retrieved ? 1 : 0;
  }
  EXPECT_GE(retrieved, static_cast<int64_t>(outcomes.size()) / 2);
}

INSTANTIATE_TEST_SUITE_P(Templates, RecallRun,
                         testing::Values("memlong", "mistral", "llama2", "vicuna"),
                         [](const auto& given) { return std::string(given.param); });

}  // namespace
}  // namespace memlong::eval_tool
