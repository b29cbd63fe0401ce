#include "tokenizer/unicode_form.h"

#include <gtest/gtest.h>

namespace memlong::tokenizer {
namespace {

TEST(UnicodeForm, ComposesAndDecomposes) {
  const std::string mixed = "Cafe\u0301 \u212b \ufb01 \uac00\u11a8 a\u0316\u0301";
  EXPECT_EQ(to_form(mixed, UnicodeForm::nfc), "Caf\u00e9 \u00c5 \ufb01 \uac01 \u00e1\u0316");
  EXPECT_EQ(to_form(mixed, UnicodeForm::nfkc), "Caf\u00e9 \u00c5 fi \uac01 \u00e1\u0316");
  EXPECT_EQ(to_form("\u00e9 \u212b \ufb01 \uac01", UnicodeForm::nfd),
            "e\u0301 A\u030a \ufb01 \u1100\u1161\u11a8");
  EXPECT_EQ(to_form("\u00e9 \u212b \ufb01 \uac01", UnicodeForm::nfkd),
            "e\u0301 A\u030a fi \u1100\u1161\u11a8");
  EXPECT_EQ(to_form("plain", UnicodeForm::nfkd), "plain");
  EXPECT_EQ(to_form("", UnicodeForm::nfc), "");
}

TEST(UnicodeForm, MarksStandInTheOrderOfTheirClasses) {
  EXPECT_EQ(to_form("x\u0301\u0316\u0302y\u0316\u0301", UnicodeForm::nfd),
            "x\u0316\u0301\u0302y\u0316\u0301");
}

TEST(UnicodeForm, LongDecompositionsAreWhole) {
  EXPECT_EQ(to_form("\ufdfa", UnicodeForm::nfkd).size(), 33U);  // 18 characters
}

TEST(UnicodeForm, ManyMarksOnOneCharacterAreSorted) {  // the library alone would take minutes
  std::string text = "a";
  std::string below;
  std::string above;
  for (int i = 0; i < 100000; ++i) {
    text += "\u0301\u0316";
    below += "\u0316";
    above += "\u0301";
  }
  EXPECT_EQ(to_form(text, UnicodeForm::nfd), "a" + below + above);
}

}  // namespace
}  // namespace memlong::tokenizer
