#include "tokenizer/text_parts.h"

#include <gtest/gtest.h>

namespace memlong::tokenizer {
namespace {

TEST(FirstPart, IsAllOfAShortText) {
  EXPECT_EQ(first_part("", 8), "");
  EXPECT_EQ(first_part("abc def\n", 8), "abc def\n");
}

TEST(FirstPart, CutsBeforeASpaceBetweenVisibleCharacters) {
  EXPECT_EQ(first_part("abc de f\nghi", 10), "abc de");
  EXPECT_EQ(first_part("abcdef ghi", 8), "abcdef");
  EXPECT_EQ(first_part("abcdef gh", 8), "abcdef");
  EXPECT_EQ(first_part("abcdefg hi", 8), "abcdefg")
      << "the space is the last byte within the limit";
}

TEST(FirstPart, ThenBehindALineThenBeforeSpaces) {
  EXPECT_EQ(first_part("abcdef\n\nghijk", 10), "abcdef\n\n");
  EXPECT_EQ(first_part("abcdef \nghijk", 10), "abcdef \n");
  EXPECT_EQ(first_part("abcdef   ghijk", 10), "abcdef");
  EXPECT_EQ(first_part("a bcdefghijklm", 10), "a bcdefghi") << "not in the first half";
}

TEST(FirstPart, NeverCutsACharacter) {
  EXPECT_EQ(first_part("\u6f22\u5b57\u6f22\u5b57", 8), "\u6f22\u5b57");
  EXPECT_EQ(first_part("\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8\xF7", 8).size(), 8U);
}

TEST(FirstPart, NoBlankBeyondAsciiIsCutOff) {
  EXPECT_EQ(first_part("abcdef \u3000ghi", 9), "abcdef") << "the rule for spaces, not the first";
  EXPECT_EQ(first_part("abcd\u00a0 efghij", 9), "abcd\u00a0") << "the same";
}

TEST(MergeSpaces, RunsBecomeOne) { EXPECT_EQ(merge_spaces("  a   b \n  "), " a b \n "); }

}  // namespace
}  // namespace memlong::tokenizer
