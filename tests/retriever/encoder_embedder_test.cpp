#include <gtest/gtest.h>

#include "retriever/embedder.h"
#include "support/golden_encoders.h"
#include "support/paths.h"

namespace memlong::retriever {
namespace {

std::shared_ptr<const SentenceEncoder> encoder() {
  return load_sentence_encoder({.folder = test::encoder_folder("bert-cls")});
}

std::shared_ptr<const tokenizer::Tokenizer> backbone_tokens() {
  return tokenizer::load_tokenizer(std::filesystem::path(test::source_dir()) / "models/reference");
}

std::vector<float> vector_of(const Embedder& embedder, const tokenizer::Ids& ids) {
  std::vector<float> out(static_cast<size_t>(embedder.dim()), 7.0F);
  embedder.embed(ids, {}, out);
  return out;
}

TEST(EncoderEmbedder, ReadsTheTextOfIds) {
  const auto sentences = encoder();
  const auto tokens = backbone_tokens();
  const auto embedder = make_encoder_embedder(sentences, tokens);
  const std::string text = "The captain stood on the deck.";
  std::vector<float> expected(32);
  sentences->embed(text, expected);
  EXPECT_EQ(vector_of(*embedder, tokens->encode(text)), expected);
  EXPECT_EQ(vector_of(*embedder, {}), std::vector<float>(32, 0.0F));
  EXPECT_FALSE(embedder->needs_hidden());
  EXPECT_EQ(embedder->name(), "encoder:" + sentences->identity());
}

/// Messages do not run together, and their marks are no words.
TEST(EncoderEmbedder, SpecialTokensDivideAndSayNothing) {
  const auto sentences = encoder();
  const auto tokens = backbone_tokens();
  const auto embedder = make_encoder_embedder(sentences, tokens);
  const auto mark = tokens->special_id("<|user|>");
  ASSERT_TRUE(mark);
  tokenizer::Ids ids = {tokens->bos(), *mark};
  for (const char* text : {"the sea", "the ship"}) {
    const tokenizer::Ids part = tokens->encode(text);
    ids.insert(ids.end(), part.begin(), part.end());
    ids.push_back(*mark);
  }
  std::vector<float> expected(32);
  sentences->embed("the sea the ship", expected);
  EXPECT_EQ(vector_of(*embedder, ids), expected);
  EXPECT_EQ(vector_of(*embedder, {tokens->bos(), *mark}), std::vector<float>(32, 0.0F));
}

}  // namespace
}  // namespace memlong::retriever
