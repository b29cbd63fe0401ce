// What the `sif` embedder takes a language for where nothing says it.
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "model/safetensors.h"
#include "retriever/embedder.h"
#include "support/paths.h"
#include "tokenizer/tokenizer.h"

namespace memlong::retriever {
namespace {

const std::filesystem::path kReference =
    std::filesystem::path(test::source_dir()) / "models/reference";

/// Tokens that are the texts given; the first `specials` of them are special.
class Listed : public tokenizer::Tokenizer {
 public:
  Listed(std::vector<std::string> texts, int32_t specials)
      : texts_(std::move(texts)), specials_(specials) {}
  [[nodiscard]] tokenizer::Ids encode(std::string_view, bool) const override { return {}; }
  [[nodiscard]] std::string decode(std::span<const int32_t>, bool) const override { return {}; }
  [[nodiscard]] std::string piece_bytes(int32_t id) const override {
    return id < specials_ || id >= vocab_size() ? "" : texts_[static_cast<size_t>(id)];
  }
  [[nodiscard]] int32_t vocab_size() const override { return static_cast<int32_t>(texts_.size()); }
  [[nodiscard]] int32_t bos() const override { return -1; }
  [[nodiscard]] int32_t eos() const override { return -1; }
  [[nodiscard]] bool adds_bos() const override { return false; }
  [[nodiscard]] bool adds_dummy_prefix() const override { return false; }
  [[nodiscard]] bool is_special(int32_t id) const override { return id < specials_; }
  [[nodiscard]] std::optional<int32_t> special_id(std::string_view) const override { return {}; }
  [[nodiscard]] Digest hash() const override { return {}; }

 private:
  std::vector<std::string> texts_;
  int32_t specials_;
};

TEST(SifPrior, MergesAndCharactersFollowZipfEachByItself) {
  // As sentencepiece numbers them: special, bytes, merges, characters; two rows have no token.
  const Listed tokens({"<s>", ",", "\xC3", "\x01", " t", "he", " the", "e", ",", "\xC3\xA4"}, 1);
  const std::vector<float> p = prior_probability(tokens, 12);
  ASSERT_EQ(p.size(), 12U);
  const double sum = 2 * (1 / 10.0 + 1 / 11.0 + 1 / 12.0);
  for (const int i : {4, 7}) EXPECT_NEAR(p[i], 1 / 10.0 / sum, 1e-6) << i;
  for (const int i : {5, 8}) EXPECT_NEAR(p[i], 1 / 11.0 / sum, 1e-6) << i;
  for (const int i : {6, 9}) EXPECT_NEAR(p[i], 1 / 12.0 / sum, 1e-6) << i;
  // Special, a byte that a character stands for, half a character, a control byte, no token.
  for (const int i : {0, 1, 2, 3, 10, 11}) EXPECT_NEAR(p[i], 1 / 12.0 / sum, 1e-6) << i;
}

TEST(SifPrior, CommonWordsOfTheReferenceModelAreLikelierThanRareOnes) {
  const auto tokens = tokenizer::load_tokenizer(kReference);
  const std::vector<float> p = prior_probability(*tokens, tokens->vocab_size());
  EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1.0, 0.02);
  const auto of = [&](const char* word) {
    const tokenizer::Ids ids = tokens->encode(word);
    return p[static_cast<size_t>(ids.back())];
  };
  EXPECT_GT(of("in the"), 5 * of("the fellows"));
  EXPECT_GT(of("so,"), 5 * of("the fellows"));
}

TEST(SifPrior, TheComponentIsTheDirectionOfTheWeightedMean) {
  std::vector<float> table{2, 0, 0, 3, 1, 1, 0, 0};
  const TensorView view(table.data(), DType::f32, {4, 2});
  const std::vector<float> p{0.5F, 1e-4F, 0.0F, 0.1F};
  // a p / (a + p): 1e-4 * 0.5 / 0.5001 along x, 5e-5 along y, nothing else.
  const double x = 1e-4 * 0.5 / 0.5001;
  const double y = 5e-5;
  const std::vector<float> component = prior_component(view, p);
  EXPECT_NEAR(component[0], x / std::hypot(x, y), 1e-6);
  EXPECT_NEAR(component[1], y / std::hypot(x, y), 1e-6);
  const std::vector<float> zeros(4, 0.0F);
  EXPECT_EQ(prior_component(view, zeros), (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace memlong::retriever
