// How encoders' tokenizers cut text, held against transformers.
#include "tokenizer/encoder_tokenizer.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "common/error.h"
#include "support/golden_encoders.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;
using test::change_json;
using test::copied_encoder;
using test::encoder_folder;
using test::golden_texts;
using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const EncoderTokenizer> load(const std::filesystem::path& folder) {
  return folder.filename() == "xlm-roberta" ? load_xlm_roberta_tokenizer(folder)
                                            : load_bert_tokenizer(folder);
}

std::string refusal(const std::filesystem::path& folder) {
  try {
    (void)load(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

class EncoderTokenizers : public testing::TestWithParam<const char*> {};

/// Where a golden text was too long for its encoder, its last id is the closing one.
TEST_P(EncoderTokenizers, GiveTheLibrarysIds) {
  const auto tokenizer = load(encoder_folder(GetParam()));
  const json texts = golden_texts(GetParam());
  ASSERT_GE(texts.size(), 15U);
  for (const json& one : texts) {
    const Ids expected = one["ids"].get<Ids>();
    Ids ids = tokenizer->encode(one["text"].get<std::string>());
    ids.resize(std::min(ids.size(), expected.size() - 2));
    ids.insert(ids.begin(), tokenizer->opening());
    ids.push_back(tokenizer->closing());
    EXPECT_EQ(ids, expected) << one["text"];
  }
}

TEST_P(EncoderTokenizers, NoTextSpellsASpecialToken) {
  const auto tokenizer = load(encoder_folder(GetParam()));
  for (const char* text : {"[CLS]", "a [SEP] b", "<s>", "</s>", "<pad>", "[PAD]", "[MASK]<mask>"}) {
    for (const int32_t id : tokenizer->encode(text)) {
      EXPECT_NE(id, tokenizer->opening()) << text;
      EXPECT_NE(id, tokenizer->closing()) << text;
    }
  }
}

TEST_P(EncoderTokenizers, AnyBytesAtAll) {
  const auto tokenizer = load(encoder_folder(GetParam()));
  EXPECT_THAT(tokenizer->encode(""), ElementsAre());
  EXPECT_THAT(tokenizer->encode(" \n\t "), ElementsAre());
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(i * 7919 >> 3);
  const int32_t size = tokenizer->vocab_size();
  for (const int32_t id : tokenizer->encode(bytes)) ASSERT_TRUE(id >= 0 && id < size) << id;
}

/// Text of more than is encoded at once: the same ids as of its lines.
TEST_P(EncoderTokenizers, LongTexts) {
  const auto tokenizer = load(encoder_folder(GetParam()));
  const std::string line = " The captain stood on the deck.";
  const Ids one = tokenizer->encode(line);
  std::string text;
  Ids expected;
  for (int i = 0; i < 5000; ++i) {
    text += line;
    expected.insert(expected.end(), one.begin(), one.end());
  }
  EXPECT_EQ(tokenizer->encode(text), expected);
}

INSTANTIATE_TEST_SUITE_P(All, EncoderTokenizers, testing::ValuesIn(test::kEncoders));

TEST(BertTokenizer, ATokenizerJsonAndItsVocabTxtGiveTheSame) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-mean");
  const json vocab = json::parse(read_file(copy / "tokenizer.json"))["model"]["vocab"];
  std::vector<std::string> lines(vocab.size());
  for (const auto& item : vocab.items()) lines[item.value().get<size_t>()] = item.key();
  std::string text;
  for (const std::string& line : lines) text += line + "\r\n";
  folder.write("bert-mean/vocab.txt", text);
  const auto first = load(copy);
  std::filesystem::remove(copy / "tokenizer.json");
  const auto second = load(copy);
  EXPECT_EQ(first->hash(), second->hash());
  for (const json& one : golden_texts("bert-mean")) {
    const auto words = one["text"].get<std::string>();
    EXPECT_EQ(first->encode(words), second->encode(words));
  }
}

TEST(BertTokenizer, TheHashKnowsWhatDecides) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-cls");
  std::vector<Digest> seen = {load(copy)->hash()};
  const auto expect_new = [&] {
    const Digest hash = load(copy)->hash();
    EXPECT_EQ(std::ranges::count(seen, hash), 0);
    seen.push_back(hash);
  };
  change_json(copy / "tokenizer_config.json", {{"do_lower_case", true}});
  expect_new();
  change_json(copy / "tokenizer_config.json", {{"strip_accents", false}});
  expect_new();
  change_json(copy / "tokenizer_config.json", {{"tokenize_chinese_chars", false}});
  expect_new();
  folder.write("bert-cls/vocab.txt", read_file(copy / "vocab.txt") + "##another\n");
  expect_new();
}

TEST(BertTokenizer, LowerCaseAndAccentsApart) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-cls");
  folder.write("bert-cls/vocab.txt",
               "[UNK]\n[CLS]\n[SEP]\nI\ni\n\u0130\ni\u0307\n\u00e9\ne\n\u6f22\n##\u6f22\na\n");
  const std::string text = "I \u0130 \u00e9 e\u0301 a\u6f22";
  const auto ids = [&](const json& settings) {
    change_json(copy / "tokenizer_config.json", settings);
    return load(copy)->encode(text);
  };
  EXPECT_THAT(ids({{"do_lower_case", false}}), ElementsAre(3, 5, 7, 0, 11, 9));
  EXPECT_THAT(ids({{"do_lower_case", true}, {"strip_accents", false}}),
              ElementsAre(4, 6, 7, 0, 11, 9));
  EXPECT_THAT(ids({{"strip_accents", nullptr}}), ElementsAre(4, 4, 8, 8, 11, 9));
  EXPECT_THAT(ids({{"tokenize_chinese_chars", false}}), ElementsAre(4, 4, 8, 8, 11, 10));
}

TEST(BertTokenizer, FilesThatAreNotReadAreNamed) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "bert-mean");
  const std::string good = read_file(copy / "tokenizer.json");
  const auto with = [&](const json& fields) {
    folder.write("bert-mean/tokenizer.json", good);
    change_json(copy / "tokenizer.json", fields);
    return refusal(copy);
  };
  EXPECT_THAT(with({{"model", {{"type", "Unigram"}}}}), HasSubstr("its model is Unigram"));
  EXPECT_THAT(with({{"normalizer", {{"type", "NFC"}}}}), HasSubstr("its normalizer is NFC"));
  EXPECT_THAT(with({{"normalizer", nullptr}}), HasSubstr("its normalizer is missing"));
  EXPECT_THAT(with({{"pre_tokenizer", nullptr}}), HasSubstr("its pre_tokenizer is missing"));
  EXPECT_THAT(with({{"model", {{"max_input_chars_per_word", 100'000}}}}),
              HasSubstr("max_input_chars_per_word is no number from 0 to 1000"));
  EXPECT_EQ(with({{"model", {{"type", nullptr}}}}), "none");  // as old files are
  EXPECT_THAT(with({{"model", {{"vocab", 3}}}}), HasSubstr("vocab is no object"));
  EXPECT_THAT(with({{"model", {{"vocab", {{"a", -1}}}}}}),
              HasSubstr("token a has an impossible id"));
  EXPECT_THAT(with({{"model", {{"vocab", {{"a", 1e18}}}}}}),
              HasSubstr("token a has an impossible id"));
  EXPECT_THAT(with({{"model", {{"vocab", {{"[SEP]", nullptr}}}}}}),
              HasSubstr("has no token [SEP]"));
  EXPECT_THAT(with({{"added_tokens", {{{"content", "new"}, {"special", false}}}}}),
              HasSubstr("adds tokens that are not special"));
  folder.write("bert-mean/tokenizer.json", "[1, 2]");
  EXPECT_THAT(refusal(copy), HasSubstr("is not a JSON object"));
  std::filesystem::remove(copy / "tokenizer.json");
  EXPECT_THAT(refusal(copy), HasSubstr("has no tokenizer.json and no vocab.txt"));
}

TEST(XlmRobertaTokenizer, FilesThatAreNotReadAreNamed) {
  const TempFolder folder;
  const auto copy = copied_encoder(folder, "xlm-roberta");
  const std::string good = read_file(copy / "sentencepiece.bpe.model");
  folder.write("xlm-roberta/sentencepiece.bpe.model", good.substr(0, good.size() / 2));
  EXPECT_THAT(refusal(copy), HasSubstr("sentencepiece.bpe.model"));
  std::filesystem::remove(copy / "sentencepiece.bpe.model");
  EXPECT_THAT(refusal(copy), HasSubstr("has no sentencepiece.bpe.model"));
}

}  // namespace
}  // namespace memlong::tokenizer
