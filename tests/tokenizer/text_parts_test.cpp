#include "tokenizer/text_parts.h"

#include <gtest/gtest.h>

namespace memlong::tokenizer {
namespace {

TEST(FirstPart, IsAllOfAShortText) {
  EXPECT_EQ(first_part("", 8), "");
  EXPECT_EQ(first_part("abc def\n", 8), "abc def\n");
}

TEST(FirstPart, CutsBeforeASpaceBehindAVisibleCharacter) {
  EXPECT_EQ(first_part("abc de f\nghi", 10), "abc de");
  EXPECT_EQ(first_part("abcdef ghi", 8), "abcdef");
  EXPECT_EQ(first_part("abcdef gh", 8), "abcdef");
  EXPECT_EQ(first_part("abcdefgh i", 8), "abcdefgh") << "the space is right behind the limit";
  EXPECT_EQ(first_part("abcdef   ghijk", 10), "abcdef") << "all spaces stay together";
  EXPECT_EQ(first_part("abcdef \nghijk", 10), "abcdef");
  EXPECT_EQ(first_part("\u0434\u0430\u0434 \u043d\u0435\u0442", 10), "\u0434\u0430\u0434");
  EXPECT_EQ(first_part("\ud55c\uad6d \uc5b4\uc5b4", 10), "\ud55c\uad6d");
}

TEST(FirstPart, ThenBehindALine) {
  EXPECT_EQ(first_part("abcdefg\n\n\nhij", 10), "abcdefg\n\n\n") << "behind all of them";
  EXPECT_EQ(first_part("abcdefg\nh\t\ni", 10), "abcdefg\n") << "best between visible characters";
  EXPECT_EQ(first_part("a bcdefghijklm", 10), "a bcdefghi") << "not in the first half";
}

TEST(FirstPart, NeverCutsACharacter) {
  EXPECT_EQ(first_part("\u6f22\u5b57\u6f22\u5b57", 8), "\u6f22\u5b57");
  EXPECT_EQ(first_part("\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8\xF7", 8).size(), 8U);
}

TEST(FirstPart, WhiteSpaceBeyondAsciiIsNotTakenApart) {
  EXPECT_EQ(first_part("abcdefgh g\u00a0 ij", 14), "abcdefgh");
  EXPECT_EQ(first_part("abcdefgh g\u3000 ij", 14), "abcdefgh");
  EXPECT_EQ(first_part("abcdefgh g\u2003 ij", 14), "abcdefgh");
  EXPECT_EQ(first_part("abcd\u00a0 efghij", 9), "abcd\u00a0") << "but for want of a better place";
}

TEST(MergeSpaces, RunsBecomeOne) { EXPECT_EQ(merge_spaces("  a   b \n  "), " a b \n "); }

}  // namespace
}  // namespace memlong::tokenizer
