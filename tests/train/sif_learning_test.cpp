#include "train/sif_learning.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "common/error.h"
#include "train/random.h"
#include "train/sif_loss.h"
#include "train/small_corpus.h"

namespace memlong::train::test {
namespace {

constexpr int64_t kVocab = 60;
constexpr int64_t kWidth = 16;
constexpr int32_t kCommon = 40;  // tokens from here on say nothing; the last ten occur nowhere
constexpr int32_t kNowhere = 50;

class SifLearning : public testing::Test {
 protected:
  SifLearning() {
    Random random(7);
    for (int64_t i = 0; i < kVocab * kWidth; ++i) {
      table_.data<float>()[i] = static_cast<float>(random.uniform() - 0.5);
    }
    start_.token_probability.assign(kVocab, 1e-4F);
    start_.component.assign(kWidth, 0.0F);
    start_.component[3] = 1.0F;
  }

  /// Facts of one telling token each among five that say nothing; questions likewise. The words
  /// around a fact are others than those around its question.
  const SifDialog& add_dialog(uint64_t seed) {
    Random random(seed);
    const auto common = [&] { return kCommon + static_cast<int32_t>(random.below(int64_t{10})); };
    auto& text = texts_.emplace_back(std::make_unique<std::vector<std::vector<int32_t>>>());
    SifDialog dialog;
    std::vector<int32_t> telling(20);
    std::iota(telling.begin(), telling.end(), static_cast<int32_t>(random.below(int64_t{20})));
    for (const int32_t token : telling) {
      text->push_back({common(), common(), token, common(), common(), common()});
    }
    for (const int32_t token : telling) text->push_back({common(), token, common(), common()});
    for (size_t i = 0; i < telling.size(); ++i) dialog.chunks.emplace_back((*text)[i]);
    for (size_t i = 0; i < telling.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      dialog.questions.push_back(
          {.ids = (*text)[telling.size() + i], .known = 20, .first = at, .last = at});
    }
    dialogs_.push_back(std::move(dialog));
    return dialogs_.back();
  }

  static Tensor uneven_weights() {
    Tensor weight({kVocab}, DType::f32);
    for (int64_t t = 0; t < kVocab; ++t) {
      weight.data<float>()[t] = -0.1F * static_cast<float>(t % 7);
    }
    return weight;
  }

  Context context_{{}};
  Tensor table_{{kVocab, kWidth}, DType::f32};
  retriever::SifParameters start_;
  std::vector<std::unique_ptr<std::vector<std::vector<int32_t>>>> texts_;
  std::vector<SifDialog> dialogs_;
};

TEST_F(SifLearning, GradientIsTheLossesSlope) {
  add_dialog(1);
  add_dialog(2);
  dialogs_[0].questions[2].known = 7;  // the rest of its dialog is not searched
  dialogs_[0].questions[5].last = 6;   // a fact in two chunks
  dialogs_[0].chunks[1] = dialogs_[0].chunks[1].subspan(0, 0);
  const std::vector<const SifDialog*> both = {&dialogs_[0], &dialogs_[1]};
  SifLoss loss(context_, table_.view(), start_.component);
  Tensor weight = uneven_weights();
  Tensor gradient({kVocab}, DType::f32);
  Tensor unused({kVocab}, DType::f32);
  EXPECT_GT(loss.run(both, weight.view(), 8.0F, gradient.view()), 0.5);
  for (const int64_t t : {0, 5, 17, 21, 40, 44, 49, 55}) {
    constexpr float kStep = 1e-2F;
    float& value = weight.data<float>()[t];
    const float at = value;
    value = at + kStep;
    const double above = loss.run(both, weight.view(), 8.0F, unused.view());
    value = at - kStep;
    const double below = loss.run(both, weight.view(), 8.0F, unused.view());
    value = at;
    EXPECT_NEAR(gradient.data<float>()[t], (above - below) / (2.0 * kStep), 2e-4) << t;
  }
  EXPECT_EQ(gradient.data<float>()[55], 0.0F);
  EXPECT_LT(gradient.data<float>()[5], -1e-3F);
}

TEST_F(SifLearning, GradientOfTheRowsIsTheLossesSlope) {
  add_dialog(1);
  add_dialog(2);
  const std::vector<const SifDialog*> both = {&dialogs_[0], &dialogs_[1]};
  SifLoss loss(context_, table_.view(), start_.component);
  Tensor weight = uneven_weights();
  Tensor unused({kVocab}, DType::f32);
  Tensor gradient({kVocab, kWidth}, DType::f32);
  loss.run(both, weight.view(), 8.0F, unused.view(), gradient.view());
  double largest = 0.0;
  for (const int64_t at : {0, 5 * 16 + 2, 17 * 16 + 15, 41 * 16 + 3, 44 * 16 + 7, 55 * 16 + 1}) {
    constexpr float kStep = 1e-2F;
    float& value = loss.rows().data<float>()[at];
    const float before = value;
    value = before + kStep;
    const double above = loss.run(both, weight.view(), 8.0F, unused.view());
    value = before - kStep;
    const double below = loss.run(both, weight.view(), 8.0F, unused.view());
    value = before;
    EXPECT_NEAR(gradient.data<float>()[at], (above - below) / (2.0 * kStep), 2e-4) << at;
    largest = std::max(largest, std::abs(static_cast<double>(gradient.data<float>()[at])));
  }
  EXPECT_GT(largest, 1e-3);
  EXPECT_EQ(gradient.data<float>()[55 * 16 + 1], 0.0F) << "a token that occurs nowhere";
}

TEST_F(SifLearning, VectorsFindWhatWeightsCannot) {
  // Questions name a fact by another token than the fact does: 20 + t asks for t.
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    add_dialog(seed);
    for (size_t i = 20; i < 40; ++i) (*texts_.back())[i][1] = (*texts_.back())[i - 20][2] % 20 + 20;
  }
  const std::vector<SifDialog> held(1, dialogs_.back());
  dialogs_.pop_back();
  SifLearningOptions options{.passes = 60, .lr = 0.05F, .vector_lr = 0.02F};
  const auto weights = learn_sif(context_, table_.view(), dialogs_, start_, options);
  EXPECT_TRUE(weights.vectors.empty());
  options.vectors = true;
  const auto vectors = learn_sif(context_, table_.view(), dialogs_, start_, options);
  EXPECT_EQ(vectors.vectors.size(), static_cast<size_t>(kVocab * kWidth));
  EXPECT_LT(sif_found(context_, table_.view(), held, weights, 2), 0.6);
  EXPECT_GT(sif_found(context_, table_.view(), held, vectors, 2), 0.9);
}

TEST_F(SifLearning, FindsWhatFrequencyDoesNot) {
  for (uint64_t seed = 1; seed <= 8; ++seed) add_dialog(seed);
  std::vector<SifDialog> held(1, add_dialog(99));
  dialogs_.pop_back();
  const double before = sif_found(context_, table_.view(), held, start_, 2);
  const auto learnt =
      learn_sif(context_, table_.view(), dialogs_, start_, {.passes = 40, .lr = 0.1F});
  const double after = sif_found(context_, table_.view(), held, learnt, 2);
  EXPECT_LT(before, 0.8);
  EXPECT_GT(after, 0.9);
  EXPECT_EQ(learnt.component, start_.component);
  // A small probability is a large weight.
  EXPECT_LT(learnt.token_probability[22], learnt.token_probability[kCommon] / 2);
  EXPECT_EQ(learnt.token_probability[kNowhere], learnt.token_probability[kNowhere + 5]);
  for (const float p : learnt.token_probability) {
    EXPECT_GE(p, 0.0F);
    EXPECT_LE(p, 1.0F);
  }
}

TEST_F(SifLearning, SameSeedSameBits) {
  for (uint64_t seed = 1; seed <= 5; ++seed) add_dialog(seed);
  const auto one = learn_sif(context_, table_.view(), dialogs_, start_, {.passes = 3});
  const auto two = learn_sif(context_, table_.view(), dialogs_, start_, {.passes = 3});
  const auto other = learn_sif(context_, table_.view(), dialogs_, start_, {.passes = 3, .seed = 2});
  EXPECT_EQ(one.token_probability, two.token_probability);
  EXPECT_NE(one.token_probability, other.token_probability);
}

TEST_F(SifLearning, DialogsWithoutFactsAreRefused) {
  add_dialog(1);
  dialogs_[0].questions.clear();
  EXPECT_THROW(learn_sif(context_, table_.view(), dialogs_, start_, {}), Error);
  EXPECT_EQ(sif_found(context_, table_.view(), dialogs_, start_, 8), -1.0);
}

TEST(SifQuestions, LieInMemoryWhenTheyAreAsked) {
  Document dialog = counted_dialog(100, 12, 16);  // 192 tokens, answers in turns 1, 3, ...
  const auto ask = [&](int64_t turn, int64_t told, AnswerKind kind = AnswerKind::told) {
    dialog.answers.push_back(
        {.begin = turn * 16 + 1, .end = turn * 16 + 16, .kind = kind, .fact = told * 16});
  };
  ask(3, 0);                       // its fact stands in the window yet
  ask(7, 2);                       // tokens 32 to 47: chunk 1
  ask(9, 3);                       // tokens 48 to 63: chunks 1 and 2 of 30
  ask(11, 1, AnswerKind::unsaid);  // nothing to find
  const SifDialog cut = sif_dialog(dialog, 30, 40);
  ASSERT_EQ(cut.chunks.size(), 7U);
  EXPECT_EQ(cut.chunks[6].size(), 12U);
  EXPECT_EQ(cut.chunks[2].front(), 160);
  ASSERT_EQ(cut.questions.size(), 2U);
  EXPECT_EQ(cut.questions[0].known, (8 * 16 - 40) / 30);
  EXPECT_EQ(cut.questions[0].first, 1);
  EXPECT_EQ(cut.questions[0].last, 1);
  EXPECT_EQ(cut.questions[0].ids.front(), 100 + 6 * 16);
  EXPECT_EQ(cut.questions[0].ids.size(), 16U);
  EXPECT_EQ(cut.questions[1].known, (10 * 16 - 40) / 30);
  EXPECT_EQ(cut.questions[1].first, 1);
  EXPECT_EQ(cut.questions[1].last, 2);
}

}  // namespace
}  // namespace memlong::train::test
