// What is read of a tokenizer.json, and what is refused.
#include "tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "json_fixtures.h"
#include "support/reference_tokenizer_json.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string refused(ErrorKind kind, const std::string& of,
                    const std::function<void(json&)>& change) {
  try {
    changed(of, change);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "";
}

TEST(TokenizerJson, KnowsSpecialTokensAndWhatAddsBos) {
  const auto llama3 = of_kind("llama3");
  EXPECT_EQ(llama3->special_id("<|begin_of_text|>"), 460);
  EXPECT_EQ(llama3->special_id("<|eot_id|>"), 464);
  EXPECT_EQ(llama3->special_id("hello"), std::nullopt);
  EXPECT_EQ(llama3->vocab_size(), 465);
  EXPECT_EQ(llama3->bos(), 460);  // what its post_processor puts first
  EXPECT_TRUE(llama3->adds_bos());
  EXPECT_EQ(llama3->eos(), -1);
  EXPECT_FALSE(llama3->adds_dummy_prefix());
  EXPECT_EQ(llama3->decode(Ids{460, llama3->encode("a")[0], 464, 999, -1}), "a");
  EXPECT_EQ(llama3->decode(Ids{460, llama3->encode("a")[0], 464}, true),
            "<|begin_of_text|>a<|eot_id|>");
  const auto qwen2 = of_kind("qwen2");
  EXPECT_EQ(qwen2->bos(), -1);
  EXPECT_FALSE(qwen2->adds_bos());
  const auto llama2 = of_kind("llama2");
  EXPECT_EQ(llama2->bos(), 1);
  EXPECT_TRUE(llama2->adds_bos());
  EXPECT_TRUE(llama2->adds_dummy_prefix());
}

TEST(TokenizerJson, ConfigFilesNameBosAndEos) {
  const auto same = [](json&) {};
  const auto llama3 = changed("llama3", same, R"({"bos_token": "<|begin_of_text|>",
      "eos_token": "<|end_of_text|>", "add_bos_token": false})");
  EXPECT_EQ(llama3->bos(), 460);
  EXPECT_EQ(llama3->eos(), 461);
  EXPECT_FALSE(llama3->adds_bos());
  const auto qwen2 = changed("qwen2", same, R"({"bos_token": null, "eos_token": "<|im_end|>",
      "added_tokens_decoder": {"470": {"content": "<|extra|>", "special": true}}})");
  EXPECT_EQ(qwen2->bos(), -1);
  EXPECT_EQ(qwen2->eos(), qwen2->special_id("<|im_end|>"));
  EXPECT_EQ(qwen2->special_id("<|extra|>"), 470);
  EXPECT_EQ(qwen2->vocab_size(), 471);
  EXPECT_EQ(qwen2->piece_bytes(468), "");  // a hole
  const auto asks =
      changed("qwen2", same, R"({"bos_token": "<|endoftext|>", "add_bos_token": true})");
  EXPECT_TRUE(asks->adds_bos());
  EXPECT_THROW(changed("qwen2", same, R"({"bos_token": "<start>"})"), Error);
}

TEST(TokenizerJson, MergesDoNotLeadToSpecialTokens) {
  const auto tokenizer = changed("llama2", [](json& root) {
    const auto special = [&](const json& id, const char* text) {
      root["added_tokens"].push_back({{"id", id}, {"content", text}, {"special", true}});
    };
    root["model"]["vocab"]["ab"] = 900;
    root["model"]["merges"].insert(root["model"]["merges"].begin(), json::array({"a", "b"}));
    special(900, "ab");
    special(root["model"]["vocab"]["c"], "c");
  });
  ASSERT_TRUE(tokenizer->special_id("ab") && tokenizer->special_id("c"));
  const Ids ids = tokenizer->encode("abc cab");
  for (const int32_t id : ids) EXPECT_FALSE(tokenizer->is_special(id));
  EXPECT_EQ(tokenizer->decode(ids), "abc cab");
}

TEST(TokenizerJson, MergesDoNotLeadToTheTokensOfBytes) {
  const auto tokenizer = changed("llama2", [](json& root) {
    auto& vocab = root["model"]["vocab"];
    const std::string spelled = "<0x41>";
    int id = 910;
    for (size_t end = 1; end <= spelled.size(); ++end) {
      for (const std::string& text : {spelled.substr(end - 1, 1), spelled.substr(0, end)}) {
        if (!vocab.contains(text)) vocab[text] = id++;
      }
      if (end == 1) continue;
      root["model"]["merges"].push_back({spelled.substr(0, end - 1), spelled.substr(end - 1, 1)});
    }
  });
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<0x41>")), "<0x41>");
}

TEST(TokenizerJson, MarksOfTemplatesAreSpecialWhateverTheFileSays) {
  const auto tokenizer = changed(
      "llama3", [](json& root) { root["added_tokens"][4]["special"] = false; },
      R"({"extra_special_tokens": ["!"]})");
  EXPECT_EQ(tokenizer->special_id("<|eot_id|>"), 464);
  EXPECT_TRUE(tokenizer->special_id("!").has_value());
  for (const int32_t id : tokenizer->encode("a<|eot_id|>b")) {
    EXPECT_FALSE(tokenizer->is_special(id));
  }
}

TEST(TokenizerJson, AddedTokensThatTheModelHasNoRowForAreLeftOut) {
  const TempFolder folder;
  json root = file_of("llama3");
  const int32_t own = of_kind("llama3")->vocab_size();
  root["added_tokens"].push_back({{"id", own}, {"content", "<pad>"}, {"special", true}});
  root["added_tokens"].push_back({{"id", own + 1}, {"content", "zebra"}, {"special", false}});
  folder.write("tokenizer.json", root.dump());
  const auto whole = load_tokenizer(folder.path());
  EXPECT_EQ(whole->vocab_size(), own + 2);
  EXPECT_EQ(whole->encode("a zebra").back(), own + 1);
  folder.write("config.json", json{{"vocab_size", own}}.dump());
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), own);
  EXPECT_FALSE(tokenizer->special_id("<pad>").has_value());
  EXPECT_EQ(tokenizer->encode("a zebra"), of_kind("llama3")->encode("a zebra"));
}

TEST(TokenizerJson, AnUnknownTokenThatCannotOccurMayBeTheEnd) {
  const auto tokenizer = changed(
      "gpt2",
      [](json& root) {
        const json end = root["added_tokens"][0];
        root["model"]["vocab"][end["content"].get<std::string>()] = end["id"];
        root["model"]["unk_token"] = end["content"];
      },
      R"({"eos_token": "<|endoftext|>"})");
  EXPECT_GE(tokenizer->eos(), 0);
  EXPECT_EQ(tokenizer->eos(), tokenizer->special_id("<|endoftext|>"));
}

TEST(TokenizerJson, BytesThatNoTextHasNeedNoToken) {
  const auto tokenizer = changed("llama2", [](json& root) {
    for (const char* byte : {"<0xC0>", "<0xC1>", "<0xF5>", "<0xFF>"}) {
      root["model"]["vocab"].erase(byte);
    }
  });
  EXPECT_EQ(tokenizer->encode("\u6f22"), of_kind("llama2")->encode("\u6f22"));
}

TEST(TokenizerJson, APrependTakesItsPlaceAmongTheOthers) {
  const auto tokenizer = changed("llama2", [](json& root) {
    root["normalizer"]["normalizers"][0]["prepend"] = " ";  // the Replace behind it makes it a mark
  });
  EXPECT_EQ(tokenizer->encode("such a walk"), of_kind("llama2")->encode("such a walk"));
  EXPECT_TRUE(tokenizer->adds_dummy_prefix());
}

TEST(TokenizerJson, HashFollowsWhatDecidesTheIds) {
  const Digest base = of_kind("llama3")->hash();
  EXPECT_EQ(of_kind("llama3")->hash(), base);
  const auto with = [](const std::function<void(json&)>& change) {
    return changed("llama3", change)->hash();
  };
  EXPECT_EQ(with([](json& root) {
              root["truncation"] = {{"max_length", 5}};
              for (json& merge : root["model"]["merges"]) {  // the spelling before the present one
                merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
              }
            }),
            base);
  EXPECT_NE(
      with([](json& root) { std::swap(root["model"]["merges"][0], root["model"]["merges"][1]); }),
      base);
  EXPECT_NE(with([](json& root) { root["model"]["ignore_merges"] = false; }), base);
  EXPECT_NE(with([](json& root) { root["normalizer"] = {{"type", "NFC"}}; }), base);
  EXPECT_NE(changed("qwen2", [](json& root) { root["added_tokens"][3]["special"] = true; })->hash(),
            of_kind("qwen2")->hash());
  EXPECT_NE(with([](json& root) { root["post_processor"] = nullptr; }), base);  // no BOS
}

TEST(TokenizerJson, TheReferenceModelsIdsAreThoseOfItsSentencepieceModel) {
  const TempFolder folder;
  const std::string model = read_file(reference_folder() / "tokenizer.model");
  folder.write("tokenizer.json", test::reference_tokenizer_json(model).dump());
  const auto tokenizer = load_tokenizer(folder.path());
  const auto spm = reference();
  EXPECT_EQ(tokenizer->vocab_size(), spm->vocab_size());
  EXPECT_EQ(tokenizer->special_id("<|end|>"), spm->special_id("<|end|>"));
  EXPECT_EQ(tokenizer->bos(), spm->bos());
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->encode(novel()), spm->encode(novel()));
  for (const json& text : golden()["texts"]) {
    EXPECT_EQ(tokenizer->encode(text.get<std::string>()), spm->encode(text.get<std::string>()));
  }
}

std::function<void(json&)> with_regex(const std::string& expression) {
  return [expression](json& root) {
    root["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = expression;
  };
}

TEST(TokenizerJson, WhatIsNotSupportedIsNamed) {
  const auto part = [](const char* key, const json& value) {
    return [key, value](json& root) { root[key] = value; };
  };
  const auto model = [](const char* key, const json& value) {
    return [key, value](json& root) { root["model"][key] = value; };
  };
  const std::pair<std::function<void(json&)>, const char*> cases[] = {
      {model("type", "Unigram"), "a model of type Unigram (BPE is) is not supported"},
      {model("dropout", 0.1), "dropout"},
      {model("end_of_word_suffix", "</w>"), "end_of_word_suffix"},
      {part("normalizer", {{"type", "Precompiled"}}), "normalizer Precompiled is not supported"},
      {part("pre_tokenizer", {{"type", "Whitespace"}}),
       "pre_tokenizer Whitespace is not supported"},
      {part("decoder", {{"type", "WordPiece"}}),
       "decoder WordPiece with a pre_tokenizer ByteLevel"},
      {[](json& root) {
         root["pre_tokenizer"]["pretokenizers"].push_back({{"type", "Digits"}});
       },
       "pre_tokenizer Digits behind ByteLevel"},
      {[](json& root) { root["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
       "add_prefix_space behind other"},
      {[](json& root) {
         root["added_tokens"].push_back({{"id", 470}, {"content", "x"}, {"lstrip", true}});
       },
       "added token x with lstrip is not supported"},
      {with_regex("[a&&[^b]]"), "has a set within a set"},
      {with_regex("[a[b]]"), "has a set within a set"},
      {with_regex("\\h+"), "has \\h, which is not supported"}};
  for (const auto& [change, message] : cases) {
    EXPECT_THAT(refused(ErrorKind::config, "llama3", change), HasSubstr(message));
  }
}

TEST(TokenizerJson, WhatIsDamagedIsNamed) {
  const std::pair<std::function<void(json&)>, const char*> cases[] = {
      {[](json& root) { root = json::array(); }, "is not a JSON object"},
      {[](json& root) { root = json::object(); }, "has no model"},
      {[](json& root) { root["model"].erase("vocab"); }, "has no vocab"},
      {[](json& root) { root["model"].erase("merges"); }, "has no merges"},
      {[](json& root) { root["model"]["vocab"]["a"] = -1; }, "token a has the impossible id -1"},
      {[](json& root) { root["model"]["vocab"]["a"] = 5000000; }, "impossible id 5000000"},
      {[](json& root) { root["model"]["vocab"]["a"] = 5; }, "two tokens have the id 5"},
      {[](json& root) { root["model"]["merges"][0] = "ab"; }, "merge \"ab\" has no space"},
      {[](json& root) { root["model"]["merges"][0] = 7; }, "merge 7 is no pair"},
      {[](json& root) { root["model"]["merges"][0] = "a zebra"; }, "merge of zebra"},
      {[](json& root) { root["added_tokens"][0]["content"] = ""; }, "has no content"},
      {[](json& root) { root["added_tokens"][0].erase("id"); }, "impossible id null"},
      {[](json& root) { root["added_tokens"][0]["id"] = 461; },
       "added token <|end_of_text|> has the id of <|begin_of_text|>"},
      {[](json& root) {
         root["normalizer"] = {{"type", 3}};
       },
       "normalizer: type is no text"},
      {[](json& root) { root["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a"; },
       "the regular expression (a is no good: missing closing parenthesis"},
      {[](json& root) { root["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Upside"; },
       "Upside is no behavior of a Split"}};
  for (const auto& [change, message] : cases) {
    EXPECT_THAT(refused(ErrorKind::format, "llama3", change), HasSubstr(message));
  }
  EXPECT_THAT(refused(ErrorKind::format, "characters",
                      [](json& root) { root["model"]["unk_token"] = "<?>"; }),
              HasSubstr("unk_token <?> is not in its vocab"));
  const TempFolder folder;
  const std::string whole = read_file(data_folder() / "llama3/tokenizer.json");
  for (const size_t length : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 3}) {
    folder.write("tokenizer.json", whole.substr(0, length));
    EXPECT_THROW(load_tokenizer(folder.path()), Error) << length;
  }
}

TEST(TokenizerJson, AnExpressionThatNeverEndsIsAnError) {
  const auto tokenizer = changed("llama3", [](json& root) {
    root["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(x+x+)+[yz]";
  });
  EXPECT_FALSE(tokenizer->encode("xxxxz").empty());
  try {
    (void)tokenizer->encode(std::string(200, 'x'));
    FAIL() << "it came to an end";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_THAT(error.what(), HasSubstr("a regular expression fails on a text"));
  }
}

TEST(TokenizerJson, ASentencepieceModelBesideItWins) {
  const TempFolder folder;
  write_model(folder);
  folder.write("tokenizer.json", "{}");
  EXPECT_EQ(load_tokenizer(folder.path())->hash(), reference()->hash());
}

}  // namespace
}  // namespace memlong::tokenizer
