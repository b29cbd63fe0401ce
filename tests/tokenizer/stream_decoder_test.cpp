#include "tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include "common/utf8.h"
#include "fixtures.h"

namespace memlong::tokenizer {
namespace {

bool valid_utf8(const std::string& text) {
  std::string pending = text;
  return take_characters(pending) == text && pending.empty();
}

std::string stream(const std::shared_ptr<const Tokenizer>& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const int32_t id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

TEST(StreamDecoder, EveryPrefixIsValidAndNothingIsLost) {
  const std::string text =
      " Caf\u00e9 \U0001F468\u200D\U0001F469\u200D\U0001F467 na\u00efve\n\u4f60\u597d \u2014 done ";
  for (const auto& tokenizer : {reference(), with_dummy_prefix()}) {
    StreamDecoder decoder(tokenizer);
    std::string so_far;
    for (const int32_t id : tokenizer->encode(text)) {
      so_far += decoder.push(id);
      EXPECT_TRUE(valid_utf8(so_far));
      EXPECT_EQ(text.compare(0, so_far.size(), so_far), 0) << so_far;
    }
    EXPECT_EQ(so_far + decoder.finish(), text);
  }
}

TEST(StreamDecoder, HalfACharacterIsHeldBack) {
  StreamDecoder decoder(reference());
  EXPECT_EQ(decoder.push(247), "");
  EXPECT_EQ(decoder.push(166), "");
  EXPECT_EQ(decoder.push(159), "");
  EXPECT_EQ(decoder.push(135), "\U0001F600");
  EXPECT_EQ(decoder.push(247), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, WhatNeverBecomesACharacterIsReplaced) {
  const int32_t lead = 247;   // byte F0
  const int32_t trail = 135;  // byte 80
  EXPECT_EQ(stream(reference(), {trail, 4015}), "\uFFFDa");
  EXPECT_EQ(stream(reference(), {lead, 4015}), "\uFFFDa");
  EXPECT_EQ(stream(reference(), {lead, lead, 4015}), "\uFFFD\uFFFDa");
  EXPECT_EQ(stream(reference(), {lead, 6, 4015}), "\uFFFDa");
}

TEST(StreamDecoder, TheDummyPrefixIsTakenOffOnce) {
  const auto tokenizer = with_dummy_prefix();
  EXPECT_EQ(stream(tokenizer, {1148, 1148}), "world world");
  EXPECT_EQ(stream(tokenizer, {1, 5, 1148}), "world");
  EXPECT_EQ(stream(tokenizer, {4012, 4012, 4015}), " a");
  EXPECT_EQ(stream(tokenizer, {4015, 1148}), "a world");
  EXPECT_EQ(stream(reference(), {1148, 1148}), " world world");
}

TEST(StreamDecoder, AgreesWithDecodeOnAnyIds) {
  for (const auto& tokenizer : {reference(), with_dummy_prefix()}) {
    uint32_t state = 1;
    for (int round = 0; round < 300; ++round) {
      Ids ids;
      for (int i = 0; i < 30; ++i) {
        state = state * 1664525U + 1013904223U;
        // Mostly byte pieces, some words and special ids.
        ids.push_back(static_cast<int32_t>((state >> 28) < 12 ? 3 + (state >> 8) % 260
                                                              : (state >> 8) % 4100));
      }
      const std::string text = stream(tokenizer, ids);
      EXPECT_EQ(text, tokenizer->decode(ids));
      EXPECT_TRUE(valid_utf8(text));
    }
  }
}

TEST(Utf8, ReplacementFollowsTheStandard) {
  const std::pair<std::string, std::string> table[] = {
      {"a\u00e9\u20ac\U0001F600", "a\u00e9\u20ac\U0001F600"},
      {"\xC0\xAF", "\uFFFD\uFFFD"},                      // overlong
      {"\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD"},            // overlong
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},            // a surrogate
      {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},  // past U+10FFFF
      {"\xF1\x80\x80\xE1\x80\xC2"
       "b",
       "\uFFFD\uFFFD\uFFFDb"},  // three cut characters
      {"\xE2\x82", "\uFFFD"},
      {"\xFF", "\uFFFD"},
  };
  for (const auto& [bytes, text] : table) {
    std::string pending = bytes;
    EXPECT_EQ(take_rest(pending), text);
    EXPECT_EQ(pending, "");
    std::string one_by_one;
    for (const char byte : bytes) {
      pending += byte;
      one_by_one += take_characters(pending);
      EXPECT_LT(pending.size(), 4U);
    }
    EXPECT_EQ(one_by_one + take_rest(pending), text);
  }
}

TEST(Utf8, CharacterFloor) {
  const std::string text = "a\u20ac\U0001F600";
  EXPECT_EQ(character_floor(text, 0), 0U);
  EXPECT_EQ(character_floor(text, 1), 1U);
  EXPECT_EQ(character_floor(text, 3), 1U);
  EXPECT_EQ(character_floor(text, 4), 4U);
  EXPECT_EQ(character_floor(text, 7), 4U);
  EXPECT_EQ(character_floor(text, 8), 8U);
  EXPECT_EQ(character_floor(text, 99), 8U);
  EXPECT_EQ(character_floor(std::string(10, '\x80'), 6), 6U);
}

}  // namespace
}  // namespace memlong::tokenizer
