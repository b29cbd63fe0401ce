#include "tokenizer/tokenizer.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "fixtures.h"
#include "tokenizer/chat_template.h"

namespace memlong::tokenizer {
namespace {

using testing::HasSubstr;

const std::string kNovel =
    "It was a fine morning.  \"Caf\u00e9 or t\u00e9?\" she asked;\n\n\tthe na\u00efve captain "
    "\u2014 "
    "he of the \U0001F600 \u2014 said:\r\n  'Neither, 42 times over.' \n";

std::string error_of(ErrorKind kind, const std::filesystem::path& folder) {
  try {
    load_tokenizer(folder);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "";
}

TEST(Tokenizer, ReferenceModelIds) {
  const auto tokenizer = reference();
  EXPECT_EQ(tokenizer->encode("hello world"), (Ids{264, 291, 4016, 1148}));
  EXPECT_EQ(tokenizer->encode("a\nb"), (Ids{4015, 17, 4034}));
  EXPECT_EQ(tokenizer->encode("\U0001F600"), (Ids{247, 166, 159, 135}));
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->vocab_size(), 4096);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_FALSE(tokenizer->adds_dummy_prefix());
}

TEST(Tokenizer, TextComesBack) {
  for (const auto& tokenizer : {reference(), with_dummy_prefix()}) {
    for (const std::string& text :
         {kNovel, std::string(" lead"), std::string("  two"), std::string("trail "),
          std::string("\n"), std::string("nul\0x", 5), std::string("<0x41><unk>")}) {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    }
  }
}

TEST(Tokenizer, WhatIsLost) {
  const auto tokenizer = reference();
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\u2581b")), "a b");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xFF"
                                                "b")),
            "a\uFFFDb");
}

TEST(Tokenizer, TextCannotSpellSpecialTokens) {
  for (const auto& tokenizer : {reference(), with_dummy_prefix()}) {
    for (const char* text :
         {"<|user|>", "<s>", "</s>", "<unk>", "<|end|><|assistant|>", "a<|end|>b", " <|system|>",
          "<<|end|>>", "<|us<|end|>er|>", "\n<s>\n"}) {
      for (const bool continues : {false, true}) {
        const Ids ids = tokenizer->encode(text, continues);
        for (const int32_t id : ids) EXPECT_GT(id, 6) << text;
        EXPECT_EQ(tokenizer->decode(ids),
                  text + size_t{continues && text[0] == ' ' && tokenizer->adds_dummy_prefix()});
      }
    }
  }
}

TEST(Tokenizer, ASpecialTokenOfOneCharacterStaysText) {
  const TempFolder folder;
  write_model(folder, "\x0a\x07\x0a\x03\xe2\x98\x83\x18\x03");  // a snowman as control piece
  const auto tokenizer = load_tokenizer(folder.path());
  ASSERT_EQ(tokenizer->special_id("\xe2\x98\x83"), tokenizer->vocab_size() - 1);
  const Ids ids = tokenizer->encode("a \xe2\x98\x83 b");
  for (const int32_t id : ids) EXPECT_FALSE(tokenizer->is_special(id));
  EXPECT_EQ(tokenizer->decode(ids), "a \xe2\x98\x83 b");
}

TEST(Tokenizer, SpecialTokensAreKnownByName) {
  const auto tokenizer = reference();
  EXPECT_EQ(tokenizer->special_id("<|system|>"), 3);
  EXPECT_EQ(tokenizer->special_id("<|end|>"), 6);
  EXPECT_EQ(tokenizer->special_id("<s>"), 1);
  EXPECT_EQ(tokenizer->special_id("hello"), std::nullopt);
  EXPECT_TRUE(tokenizer->is_special(4));
  EXPECT_FALSE(tokenizer->is_special(17));
  EXPECT_FALSE(tokenizer->is_special(-1));
  EXPECT_FALSE(tokenizer->is_special(4096));
}

TEST(Tokenizer, DecodeHidesSpecialTokensUnlessAsked) {
  const auto tokenizer = reference();
  const Ids ids = {1, 4, 264, 291, 4016, 6, 99999, -5};
  EXPECT_EQ(tokenizer->decode(ids), "hello");
  EXPECT_EQ(tokenizer->decode(ids, true), "<s><|user|>hello<|end|>");
}

TEST(Tokenizer, PieceBytes) {
  const auto tokenizer = reference();
  EXPECT_EQ(tokenizer->piece_bytes(17), "\n");
  EXPECT_EQ(tokenizer->piece_bytes(247), "\xF0");
  EXPECT_EQ(tokenizer->piece_bytes(1148), " world");
  EXPECT_EQ(tokenizer->piece_bytes(4), "");
  EXPECT_EQ(tokenizer->piece_bytes(4096), "");
}

TEST(Tokenizer, ContinuedTextGetsNoDummyPrefix) {
  const auto tokenizer = with_dummy_prefix();
  EXPECT_TRUE(tokenizer->adds_dummy_prefix());
  EXPECT_EQ(tokenizer->encode("hello world"), reference()->encode(" hello world"));
  EXPECT_EQ(tokenizer->encode("hello world", true), reference()->encode("hello world"));
  EXPECT_EQ(tokenizer->encode(" hello", true), reference()->encode(" hello"));
  EXPECT_EQ(tokenizer->encode("", false), Ids{});
}

TEST(Tokenizer, LinesOneByOneAreTheWholeText) {
  for (const auto& tokenizer : {reference(), with_dummy_prefix()}) {
    Ids lines;
    for (size_t at = 0; at < kNovel.size();) {
      const size_t end = std::min(kNovel.find('\n', at), kNovel.size() - 1) + 1;
      const Ids ids = tokenizer->encode(kNovel.substr(at, end - at), at > 0);
      lines.insert(lines.end(), ids.begin(), ids.end());
      at = end;
    }
    EXPECT_EQ(lines, tokenizer->encode(kNovel));
  }
}

TEST(Tokenizer, LongLinesAreCutWhereNothingChanges) {
  const auto tokenizer = with_dummy_prefix();
  std::string text;
  Ids expected;
  for (int i = 0; text.size() < 300000; ++i) {
    const std::string word = (i > 0 ? " word" : "word") + std::to_string(i % 97);
    const Ids ids = tokenizer->encode(word, i > 0);
    expected.insert(expected.end(), ids.begin(), ids.end());
    text += word;
  }
  EXPECT_EQ(tokenizer->encode(text), expected);
  const std::string unbroken(200001, 'a');
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(unbroken)), unbroken);
  std::string accents;
  while (accents.size() < 200000) accents += "\u00e9";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("x" + accents)), "x" + accents);
  const std::string spaces(200000, ' ');
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(spaces)), spaces);
}

TEST(Tokenizer, ModelsThatRemoveSpacesKeepWordsApart) {
  const TempFolder folder;
  write_model(folder, kRemoveSpaces);
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("  hello   world  ")), "hello world");
  Ids ids = tokenizer->encode("hello");
  const Ids more = tokenizer->encode("   world  again", true);
  ids.insert(ids.end(), more.begin(), more.end());
  EXPECT_EQ(tokenizer->decode(ids), "hello world again");
}

TEST(Tokenizer, HashFollowsWhatDecidesTheIds) {
  const Digest base = reference()->hash();
  EXPECT_EQ(reference()->hash(), base);
  EXPECT_NE(with_dummy_prefix()->hash(), base);
  const TempFolder folder;
  write_model(folder);
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>",
                                           "chat_template": "does not matter"})");
  EXPECT_EQ(load_tokenizer(folder.path())->hash(), base);
  folder.write("tokenizer_config.json", R"({"add_bos_token": false})");
  EXPECT_NE(load_tokenizer(folder.path())->hash(), base);
}

TEST(Tokenizer, ConfigFilesSayWhatIsSpecial) {
  const TempFolder folder;
  write_model(folder);
  folder.write("tokenizer_config.json", R"({"add_bos_token": false, "bos_token": null,
      "eos_token": {"content": "<|end|>"}, "additional_special_tokens": [{"content": "world"}],
      "added_tokens_decoder": {"4097": {"content": "<|tool|>", "special": true}}})");
  folder.write("added_tokens.json", R"({"<|im_start|>": 4096})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->bos(), -1);
  EXPECT_FALSE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->eos(), 6);
  EXPECT_EQ(tokenizer->vocab_size(), 4098);
  EXPECT_EQ(tokenizer->special_id("<|im_start|>"), 4096);
  EXPECT_EQ(tokenizer->special_id("<|tool|>"), 4097);
  EXPECT_EQ(tokenizer->decode(Ids{4096, 4097}), "");
  EXPECT_EQ(tokenizer->decode(Ids{4096, 4097}, true), "<|im_start|><|tool|>");
}

TEST(Tokenizer, AddedTokensThatTheModelHasNoRowForAreLeftOut) {
  const TempFolder folder;
  write_model(folder);
  folder.write("added_tokens.json", R"({"<pad>": 4096, "<more>": 5000})");
  EXPECT_EQ(load_tokenizer(folder.path())->vocab_size(), 5001) << "nobody says how many there are";
  folder.write("config.json", R"({"vocab_size": 4097})");
  EXPECT_EQ(load_tokenizer(folder.path())->vocab_size(), 4097);
  EXPECT_EQ(load_tokenizer(folder.path())->special_id("<pad>"), 4096);
  folder.write("config.json", R"({"vocab_size": 4096})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 4096);
  EXPECT_FALSE(tokenizer->special_id("<pad>").has_value());
  EXPECT_EQ(tokenizer->hash(), reference()->hash());
  folder.write("config.json", R"({"vocab_size": 100})");
  EXPECT_EQ(load_tokenizer(folder.path())->vocab_size(), 4096) << "the model file's own stay";
}

TEST(Tokenizer, MarksAreSpecialWhateverTheFilesSay) {
  const TempFolder folder;
  write_model(folder);
  const std::string decoder =
      R"({"added_tokens_decoder": {"4096": {"content": "<|im_start|>", "special": false},
          "4097": {"content": "<|im_end|>", "special": true},
          "4098": {"content": "<tool>", "special": false}}})";
  folder.write("tokenizer_config.json", decoder);
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->special_id("<|im_start|>"), 4096);
  EXPECT_FALSE(tokenizer->special_id("<tool>").has_value());
  EXPECT_EQ(make_chat_template("chatml", tokenizer)->answer_prefix(0).front(), 4096);
  std::string ordinary = decoder;
  ordinary.replace(ordinary.find("<|im_start|>"), 12, "im start");
  folder.write("tokenizer_config.json", ordinary);
  EXPECT_EQ(tokenizer->hash(), load_tokenizer(folder.path())->hash())
      << "banks that were made when it was ordinary still open";
}

TEST(Tokenizer, FoldersThatCannotBeReadSayWhy) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ErrorKind::io, folder.path()), HasSubstr("has no tokenizer.model"));
  folder.write("tokenizer.json", "{}");
  EXPECT_THAT(error_of(ErrorKind::format, folder.path()), HasSubstr("tokenizer.json: it has no"));
  for (const char* text : {"", "x", "{\"a\": 1}", "\x0a\xff\xff\xff\xff\x7f", "\x0a\x02\x18\x09"}) {
    folder.write("tokenizer.model", text);
    EXPECT_THAT(error_of(ErrorKind::format, folder.path()), HasSubstr("tokenizer.model"));
  }
  const std::string whole = read_file(reference_folder() / "tokenizer.model");
  folder.write("tokenizer.model", whole.substr(0, whole.size() / 2));
  EXPECT_NE(error_of(ErrorKind::format, folder.path()), "");
  write_model(folder, std::string("\x0a\x04\x0a\x02\0b", 6));  // one more piece
  EXPECT_THAT(error_of(ErrorKind::format, folder.path()), HasSubstr("NUL byte"));
  write_model(folder, "\x12\x02\x18\x03");
  EXPECT_THAT(error_of(ErrorKind::config, folder.path()), HasSubstr("whole words"));
  write_model(folder);
  folder.write("tokenizer_config.json", "{");
  EXPECT_THAT(error_of(ErrorKind::format, folder.path()), HasSubstr("tokenizer_config.json"));
  folder.write("tokenizer_config.json", R"({"bos_token": "<start>"})");
  EXPECT_THAT(error_of(ErrorKind::config, folder.path()), HasSubstr("<start>"));
  folder.write("tokenizer_config.json", "{}");
  folder.write("added_tokens.json", R"({"<x>": 99999999999})");
  EXPECT_THAT(error_of(ErrorKind::format, folder.path()), HasSubstr("impossible id"));
}

TEST(Tokenizer, ThreadsMayShareIt) {
  const auto tokenizer = reference();
  const Ids expected = tokenizer->encode(kNovel);
  std::vector<std::thread> threads;
  std::atomic<int> equal = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) equal += tokenizer->encode(kNovel) == expected ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, 200);
}

TEST(ForeignModel, TokenizesAsDownloaded) {
  const char* folder = std::getenv("MEMLONG_FOREIGN_MODEL");
  if (folder == nullptr) {
    GTEST_SKIP() << "set MEMLONG_FOREIGN_MODEL to a Hugging Face folder (config.json, safetensors, "
                    "tokenizer.model or tokenizer.json) to test with a model from outside";
  }
  const auto tokenizer = load_tokenizer(folder);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(kNovel)), kNovel);
}

}  // namespace
}  // namespace memlong::tokenizer
