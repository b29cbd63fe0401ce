// Sentence encoders, held against transformers.
#include "retriever/sentence_encoder.h"

#include <cmath>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "common/error.h"
#include "support/golden_encoders.h"

namespace memlong::retriever {
namespace {

using nlohmann::json;
using test::change_json;
using test::copied_encoder;
using test::encoder_folder;
using test::golden_texts;
using test::TempFolder;
using testing::HasSubstr;
using Vector = std::vector<float>;

std::shared_ptr<const SentenceEncoder> open(const std::filesystem::path& folder,
                                            DType dtype = DType::f32, int threads = 2) {
  return load_sentence_encoder({.folder = folder, .dtype = dtype, .threads = threads});
}

Vector vector_of(const SentenceEncoder& encoder, const std::string& text) {
  Vector out(static_cast<size_t>(encoder.dim()), 7.0F);
  encoder.embed(text, out);
  return out;
}

std::vector<std::string> texts_of(const std::string& name) {
  const json golden = golden_texts(name);
  std::vector<std::string> texts(golden.size());
  for (size_t i = 0; i < texts.size(); ++i) texts[i] = golden[i]["text"].get<std::string>();
  return texts;
}

float furthest(const Vector& a, const Vector& b) {
  float most = 0.0F;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

std::string refusal(const std::filesystem::path& folder) {
  try {
    (void)open(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

class SentenceEncoders : public testing::TestWithParam<const char*> {};

TEST_P(SentenceEncoders, GiveTransformersVectors) {
  const auto exact = open(encoder_folder(GetParam()));
  const auto narrow = open(encoder_folder(GetParam()), DType::bf16);
  EXPECT_EQ(exact->dim(), 32);
  for (const json& one : golden_texts(GetParam())) {
    const auto expected = one["vector"].get<Vector>();
    const auto text = one["text"].get<std::string>();
    EXPECT_LT(furthest(vector_of(*exact, text), expected), 1e-5F) << text;
    EXPECT_LT(furthest(vector_of(*narrow, text), expected), 2e-2F) << text;
  }
}

TEST_P(SentenceEncoders, NothingGivesZero) {
  const auto encoder = open(encoder_folder(GetParam()));
  EXPECT_EQ(vector_of(*encoder, ""), Vector(32, 0.0F));
  EXPECT_EQ(vector_of(*encoder, " \n "), Vector(32, 0.0F));
}

TEST_P(SentenceEncoders, ManyThreadsAtOnce) {
  const auto encoder = open(encoder_folder(GetParam()), DType::f32, 1);
  const std::vector<std::string> texts = texts_of(GetParam());
  std::vector<Vector> expected(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) expected[i] = vector_of(*encoder, texts[i]);
  std::vector<std::jthread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < texts.size(); ++i) {
        const size_t at = (i + 5 * t) % texts.size();
        wrong[t] += vector_of(*encoder, texts[at]) != expected[at];
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

/// Of each file a few bytes are changed, or its end is cut off: an Error, or vectors like others.
TEST_P(SentenceEncoders, DamagedFilesNeverCrash) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, GetParam());
  std::mt19937 random(7);
  int refused = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
    if (!entry.is_regular_file()) continue;
    const std::string good = read_file(entry.path());
    for (int round = 0; round < 40; ++round) {
      std::string bad = good;
      for (int i = 0; i < 4; ++i) {
        const size_t most = round % 2 == 0 ? bad.size() : std::min<size_t>(bad.size(), 400);
        bad[random() % most] = static_cast<char>(random());
      }
      if (round % 8 == 0) bad.resize(random() % bad.size());
      write_file_atomic(entry.path(), bad);
      try {
        const Vector vector = vector_of(*open(copy), "the sea and the ship");
        for (const float x : vector) ASSERT_TRUE(std::abs(x) <= 1.0F) << entry.path();
      } catch (const Error& error) {
        EXPECT_NE(error.kind(), ErrorKind::internal) << error.what();
        ++refused;
      }
    }
    write_file_atomic(entry.path(), good);
  }
  EXPECT_GT(refused, 20);
}

INSTANTIATE_TEST_SUITE_P(All, SentenceEncoders, testing::ValuesIn(test::kEncoders));

TEST(SentenceEncoder, TheIdentityKnowsWhatDecides) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-mean");
  const std::string first = open(encoder_folder("bert-mean"))->identity();
  EXPECT_EQ(first.size(), 64U);
  EXPECT_EQ(open(copy, DType::bf16, 1)->identity(), first);
  std::vector<std::string> seen = {first};
  const auto expect_new = [&] {
    seen.push_back(open(copy)->identity());
    for (size_t i = 0; i + 1 < seen.size(); ++i) EXPECT_NE(seen[i], seen.back());
  };
  change_json(copy / "sentence_bert_config.json", {{"max_seq_length", 20}});
  expect_new();
  change_json(copy / "1_Pooling/config.json",
              {{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", false}});
  expect_new();
  change_json(copy / "config.json", {{"layer_norm_eps", 1e-7}});
  expect_new();
  change_json(copy / "tokenizer.json", {{"normalizer", {{"lowercase", false}}}});
  expect_new();
  std::string weights = read_file(copy / "model.safetensors");
  weights[weights.size() - 3'000] = static_cast<char>(weights[weights.size() - 3'000] ^ 1);
  folder.write("bert-mean/model.safetensors", weights);
  expect_new();
}

/// As paraphrase-multilingual-MiniLM comes.
TEST(SentenceEncoder, BertThatReadsSentencepieces) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-mean");
  std::filesystem::remove(copy / "tokenizer.json");
  std::filesystem::copy(encoder_folder("xlm-roberta") / "sentencepiece.bpe.model", copy);
  const auto encoder = open(copy);
  EXPECT_NE(encoder->identity(), open(encoder_folder("bert-mean"))->identity());
  EXPECT_NE(vector_of(*encoder, "the sea"), vector_of(*encoder, "the ship"));
}

/// A text that is too long for the encoder is cut, whatever follows.
TEST(SentenceEncoder, WhatIsTooLongIsCut) {
  const auto encoder = open(encoder_folder("bert-mean"));
  std::string text;
  for (int i = 0; i < 22; ++i) text += "a ";
  EXPECT_EQ(vector_of(*encoder, text), vector_of(*encoder, text + "sea and ship"));
  EXPECT_NE(vector_of(*encoder, text.substr(2)), vector_of(*encoder, text));
}

TEST(SentenceEncoder, WeightsThatAreWrongAreNamed) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-mean");
  change_json(copy / "config.json", {{"num_hidden_layers", 3}});
  EXPECT_THAT(refusal(copy),
              HasSubstr("tensor encoder.layer.2.attention.self.query.weight is missing"));
  change_json(copy / "config.json", {{"num_hidden_layers", 2}, {"intermediate_size", 47}});
  EXPECT_THAT(refusal(copy), HasSubstr("tensor encoder.layer.0.intermediate.dense.weight has shape "
                                       "[48, 32]; config.json asks for [47, 32]"));
  change_json(copy / "config.json", {{"intermediate_size", 48}, {"vocab_size", 200}});
  EXPECT_THAT(refusal(copy), HasSubstr("tokens, the encoder only 200"));
  change_json(copy / "config.json", {{"vocab_size", 304}});
  const std::string weights = read_file(copy / "model.safetensors");
  folder.write("bert-mean/model.safetensors", weights.substr(0, 5'000));
  EXPECT_THAT(refusal(copy), HasSubstr("model.safetensors"));
  std::filesystem::remove(copy / "model.safetensors");
  EXPECT_THAT(refusal(copy), HasSubstr("has no model.safetensors and no pytorch_model.bin"));
}

}  // namespace
}  // namespace memlong::retriever
