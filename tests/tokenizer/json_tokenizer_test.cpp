// How a tokenizer.json encodes, held against the tokenizers library.
#include <gtest/gtest.h>

#include "common/hash.h"
#include "json_fixtures.h"
#include "tokenizer/stream_decoder.h"

namespace memlong::tokenizer {
namespace {

using nlohmann::json;

const char* const kKinds[] = {"llama3", "qwen2",  "gpt2",      "prefixed",
                              "splits", "llama2", "metaspace", "characters"};

std::string joined(const Ids& ids) {
  std::string text;
  for (const int32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

class JsonTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(JsonTokenizer, GivesTheLibrarysIds) {
  const auto tokenizer = of_kind(GetParam());
  const json& expected = golden()["ids"][GetParam()];
  ASSERT_GE(expected.size(), 30U);
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto text = golden()["texts"][i].get<std::string>();
    EXPECT_EQ(tokenizer->encode(text), expected[i].get<Ids>()) << text;
  }
}

TEST_P(JsonTokenizer, GivesTheLibrarysIdsOfABook) {  // longer than what is encoded at once
  const Ids ids = of_kind(GetParam())->encode(novel());
  EXPECT_GT(ids.size(), 200000U);
  EXPECT_EQ(to_hex(sha256(joined(ids))), golden()["novel"][GetParam()]);
}

TEST_P(JsonTokenizer, AStreamGivesWhatDecodeGives) {
  const auto tokenizer = of_kind(GetParam());
  for (const json& text : golden()["texts"]) {
    const Ids ids = tokenizer->encode(text.get<std::string>());
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.finish(), tokenizer->decode(ids));
  }
}

TEST_P(JsonTokenizer, TextCannotSpellSpecialTokens) {
  const auto tokenizer = of_kind(GetParam());
  for (const std::string text :
       {"<s>", "</s>", "<unk>", "<|begin_of_text|>", "a<|eot_id|>b", " <|im_start|>user\n",
        "<|im_<|im_end|>end|>", "<|endoftext|>", "<0x41>", "<0x0A>"}) {
    for (const bool continues : {false, true}) {
      const Ids ids = tokenizer->encode(text, continues);
      for (const int32_t id : ids) EXPECT_FALSE(tokenizer->is_special(id)) << text;
      if (std::string(GetParam()) == "characters") continue;  // it has no '|'
      const bool eaten = continues && text[0] == ' ' && tokenizer->adds_dummy_prefix();
      const bool prefix_there = !continues && text[0] == ' ' && tokenizer->adds_dummy_prefix() &&
                                std::string(GetParam()) != "llama2";
      EXPECT_EQ(tokenizer->decode(ids), text.substr(eaten || prefix_there ? 1 : 0));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, JsonTokenizer, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(TokenizerJson, TextComesBack) {
  for (const char* kind : {"llama3", "gpt2", "llama2"}) {
    const auto tokenizer = of_kind(kind);
    for (const json& item : golden()["texts"]) {
      const auto text = item.get<std::string>();
      if (text.find("\u2581") != std::string::npos && kind == std::string("llama2")) continue;
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << kind;
    }
  }
  const auto qwen2 = of_kind("qwen2");
  EXPECT_EQ(qwen2->decode(qwen2->encode("Cafe\u0301 \u212b")), "Caf\u00e9 \u00c5");  // NFC
  const auto splits = of_kind("splits");
  EXPECT_EQ(splits->decode(splits->encode("\ufb01nd-it")), "findit");  // NFKC, a Split that removes
  EXPECT_EQ(qwen2->decode(qwen2->encode("a\xFF"
                                        "b")),
            "a\uFFFDb");
}

TEST(TokenizerJson, AddedTokensThatAreNotSpecialAreFoundInText) {
  const auto qwen2 = of_kind("qwen2");
  const Ids ids = qwen2->encode("x<tool_call>y");
  ASSERT_EQ(ids.size(), 3U);
  EXPECT_FALSE(qwen2->is_special(ids[1]));
  EXPECT_EQ(qwen2->piece_bytes(ids[1]), "<tool_call>");
  EXPECT_EQ(qwen2->encode("<tool_call"), changed("qwen2", [](json& root) {
                                           root["added_tokens"].erase(3);
                                         })->encode("<tool_call"));
  const auto longest = changed("qwen2", [](json& root) {
    json more = root["added_tokens"][3];
    more["id"] = 465;
    more["content"] = "<tool_call>!";
    root["added_tokens"].push_back(more);
  });
  EXPECT_EQ(longest->encode("<tool_call>!"), (Ids{465}));
}

/// The texts of the tokens of a text, between bars.
std::string pieces_of(const Tokenizer& tokenizer, const std::string& text) {
  std::string all;
  for (const int32_t id : tokenizer.encode(text)) all += tokenizer.piece_bytes(id) + "|";
  return all;
}

/// "llama3" with one pre-tokenizer of ours, and two merges: 1 2 and 3 4.
json cut_by(const json& cut) {
  json root = file_of("llama3");
  root["pre_tokenizer"]["pretokenizers"][0] = cut;
  root["model"]["merges"] = json::array({json::array({"1", "2"}), json::array({"3", "4"})});
  root["model"]["vocab"]["12"] = 500;
  root["model"]["vocab"]["34"] = 501;
  return root;
}

TEST(TokenizerJson, WhatMatchesNothingCutsToo) {
  const auto tokenizer = changed("llama3", [](json& root) {
    root = cut_by({{"type", "Split"},
                   {"pattern", {{"Regex", R"((?=(\d{3})+(?!\d)))"}}},
                   {"behavior", "Isolated"}});
  });
  EXPECT_EQ(pieces_of(*tokenizer, "1234"), "1|2|34|");    // 1 and 234
  EXPECT_EQ(pieces_of(*tokenizer, "12345"), "12|34|5|");  // 12 and 345
}

TEST(TokenizerJson, RunsOfDigitsStayTogetherUnlessEachIsAWord) {
  for (const bool each : {false, true}) {
    const auto tokenizer = changed("llama3", [&](json& root) {
      root = cut_by({{"type", "Digits"}, {"individual_digits", each}});
      root["model"]["ignore_merges"] = false;
    });
    EXPECT_EQ(pieces_of(*tokenizer, "a12"), each ? "a|1|2|" : "a|12|");
  }
}

TEST(TokenizerJson, AWordThatIsATokenNeedsNoMerges) {
  for (const bool ignore : {true, false}) {
    const auto tokenizer = changed("llama3", [&](json& root) {
      root = cut_by({{"type", "Digits"}, {"individual_digits", false}});
      root["model"]["merges"] = json::array();
      root["model"]["ignore_merges"] = ignore;
    });
    EXPECT_EQ(pieces_of(*tokenizer, "12"), ignore ? "12|" : "1|2|");
  }
}

TEST(TokenizerJson, ByteLevelCutsWordsUnlessToldNotTo) {
  json root = cut_by({{"type", "ByteLevel"}, {"add_prefix_space", false}});
  root["pre_tokenizer"] = json(root["pre_tokenizer"]["pretokenizers"][0]);
  root["model"]["merges"].push_back({"a", "1"});
  root["model"]["vocab"]["a1"] = 502;
  for (const json& flag : {json(), json(true), json(false)}) {
    if (!flag.is_null()) root["pre_tokenizer"]["use_regex"] = flag;
    const auto tokenizer = changed("llama3", [&](json& other) { other = root; });
    EXPECT_EQ(pieces_of(*tokenizer, "a1"), flag == json(false) ? "a1|" : "a|1|");
  }
}

TEST(TokenizerJson, APrefixStandsBehindAddedTokensWhereItStandsEverywhere) {
  const auto with = [](const std::string& kind) {
    return changed(kind, [](json& root) {
      root["added_tokens"].push_back({{"id", 800}, {"content", "<call>"}});
    });
  };
  const auto behind = [](const Ids& ids) {
    Ids all = {800};
    all.insert(all.end(), ids.begin(), ids.end());
    return all;
  };
  for (const char* kind : {"llama2", "characters", "prefixed"}) {
    const auto tokenizer = with(kind);
    EXPECT_EQ(tokenizer->encode("<call>such"), behind(tokenizer->encode("such"))) << kind;
  }
  const auto first = with("metaspace");
  EXPECT_EQ(first->encode("<call>such"), behind(first->encode("such", true)));
}

TEST(TokenizerJson, ContinuedTextGetsNoPrefix) {
  for (const char* kind : {"llama2", "metaspace", "prefixed"}) {
    const auto tokenizer = of_kind(kind);
    const Ids whole = tokenizer->encode("such a walk");
    Ids parts = tokenizer->encode("such");
    const Ids more = tokenizer->encode(" a walk", true);
    parts.insert(parts.end(), more.begin(), more.end());
    EXPECT_EQ(parts, whole) << kind;
    EXPECT_NE(tokenizer->encode("such", true), tokenizer->encode("such")) << kind;
    EXPECT_EQ(tokenizer->encode(" such", true), tokenizer->encode("such")) << kind;
  }
}

TEST(TokenizerJson, PieceBytes) {
  const auto llama3 = of_kind("llama3");
  EXPECT_EQ(llama3->piece_bytes(llama3->encode(" the")[0]), " the");
  const Ids smile = llama3->encode("\U0001F642");
  std::string bytes;
  for (const int32_t id : smile) bytes += llama3->piece_bytes(id);
  EXPECT_EQ(bytes, "\U0001F642");
  const auto llama2 = of_kind("llama2");
  EXPECT_EQ(llama2->piece_bytes(3 + 10), "\n");
  EXPECT_EQ(llama2->piece_bytes(llama2->encode(" the", true)[0]), " the");
  EXPECT_EQ(of_kind("characters")->decode(of_kind("characters")->encode("a\u6f22\u5b57z")),
            "a \u2047 z");
}

}  // namespace
}  // namespace memlong::tokenizer
