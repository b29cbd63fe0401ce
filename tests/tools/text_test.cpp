// What people see: escaped text, sizes, durations, tables.
#include "tools/common/text.h"

#include <gtest/gtest.h>

namespace memlong::tools {
namespace {

TEST(EscapeTerminal, SpellsWhatATerminalWouldObey) {
  EXPECT_EQ(escape_terminal("a\x1b[31mb\x07\x7f"), "a\\x1b[31mb\\x07\\x7f");
  EXPECT_EQ(escape_terminal("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(escape_terminal("a\nb\tc\r", true), "a\nb\tc\\r");
  EXPECT_EQ(escape_terminal("\xc2\x9b"), "\\x9b");
  EXPECT_EQ(escape_terminal("\xe2\x80\xae"), "\\u202e");
}

TEST(EscapeTerminal, KeepsTextAndReplacesBrokenBytes) {
  EXPECT_EQ(escape_terminal("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
  EXPECT_EQ(escape_terminal("a\xff\xc3"), "a\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(escape_terminal("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");              // overlong '/'
  EXPECT_EQ(escape_terminal("\xed\xa0\x80").find("\xed\xa0"), std::string::npos);  // surrogate
}

TEST(EscapeJson, SpellsWhatJsonLetsThrough) {
  EXPECT_EQ(escape_json("{\"a\": \"\xc2\x9b\x7f\xe2\x80\xae\"}"), R"({"a": "\u009b\u007f\u202e"})");
  EXPECT_EQ(escape_json("{\n\t\"Grüße\": \"世界 🙂\"}"),
            "{\n\t\"Grüße\": \"世界 🙂\"}");
}

TEST(OneLine, FoldsBlanksAndCutsAtCharacters) {
  EXPECT_EQ(one_line("  a\n\n b\t", 20), "a b");
  EXPECT_EQ(one_line("äöüäöüäöü", 6), "äöü...");
  EXPECT_EQ(one_line("exact!", 6), "exact!");
}

TEST(Human, SizesCountsAndDurations) {
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024.0 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(3.5 * (1 << 30)), "3.5 GiB");
  EXPECT_EQ(human_count(950), "950");
  EXPECT_EQ(human_count(2.5), "2.5");
  EXPECT_EQ(human_count(12345), "12.3k");
  EXPECT_EQ(human_count(999960), "1.0M");
  EXPECT_EQ(human_duration(0.44), "0.4s");
  EXPECT_EQ(human_duration(59.4), "59s");
  EXPECT_EQ(human_duration(59.6), "1m00s");
  EXPECT_EQ(human_duration(185), "3m05s");
  EXPECT_EQ(human_duration(7800), "2h10m");
  EXPECT_EQ(human_duration(100 * 3600), "4d04h");
  EXPECT_EQ(group_digits(1234567), "1 234 567");
  EXPECT_EQ(group_digits(-123), "-123");
  EXPECT_EQ(percent(0.5), "50.0 %");
}

TEST(Table, LinesUpColumns) {
  Table table({"name", ">count"});
  table.row({"ä", "5"});
  table.row({"longer", "12345"});
  EXPECT_EQ(table.text(), "name    count\nä           5\nlonger  12345\n");
  EXPECT_EQ(table.markdown(),
            "| name   | count |\n|--------|------:|\n| ä      |     5 |\n| longer | 12345 |\n");
  EXPECT_EQ(key_values({{"a", "1"}, {"long", "2"}}), "a:     1\nlong:  2\n");
}

}  // namespace
}  // namespace memlong::tools
