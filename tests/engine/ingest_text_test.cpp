#include "engine/ingest_text.h"

#include <string>

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::engine {
namespace {

/// The message when text is refused, fed in blocks of `block` bytes; "" when it is taken.
std::string refused(std::string_view text, size_t block) {
  try {
    TextCheck check;
    for (size_t i = 0; i < text.size(); i += block) check.feed(text.substr(i, block));
    check.finish();
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
}

std::string refused(std::string_view text) {
  const std::string message = refused(text, text.size() + 1);
  for (const size_t block : {1, 2, 3, 7}) EXPECT_EQ(refused(text, block), message);
  return message;
}

TEST(TextCheck, TakesUtf8) {
  EXPECT_EQ(refused("plain text that is longer than eight bytes"), "");
  EXPECT_EQ(refused("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xED\x9F\xBF \xF4\x8F\xBF\xBF"), "");
}

TEST(TextCheck, NamesTheFirstBadByte) {
  const auto at = [](int byte) {
    return "not UTF-8: byte " + std::to_string(byte) +
           " begins no valid character; convert the text to UTF-8";
  };
  EXPECT_EQ(refused("0123456789abc\xE9xyz"), at(13));
  EXPECT_EQ(refused("ab\xC0\x80"), at(2)) << "overlong";
  EXPECT_EQ(refused("ab\xE0\x9F\xBF"), at(2)) << "overlong";
  EXPECT_EQ(refused("ab\xED\xA0\x80"), at(2)) << "surrogate";
  EXPECT_EQ(refused("ab\xF4\x90\x80\x80"), at(2)) << "above U+10FFFF";
  EXPECT_EQ(refused("ab\x80"), at(2)) << "continuation without a start";
  EXPECT_EQ(refused("abc\xE2\x82"), at(3)) << "cut off at the end";
}

TEST(TextCheck, RefusesBinaryAndEmpty) {
  EXPECT_EQ(refused(std::string_view("some text\0more text", 19)), "a binary file: byte 9 is zero");
  EXPECT_EQ(refused(""), "empty");
  for (const std::string text :
       {" \n\t \r\n", "\xEF\xBB\xBF", "\xEF\xBB\xBF \r\n", "\xC2\xA0\xC2\xA0", "\xE3\x80\x80\n",
        "\xE2\x80\x83\xE2\x80\xA8"}) {
    EXPECT_EQ(refused(text), "empty: nothing but white space");
  }
  for (const std::string text : {"\xEF\xBB\xBFx", "\xC2\xA1", "\xF0\x9F\x98\x80", "\xE3\x80\x81"}) {
    EXPECT_EQ(refused(text), "");
  }
}

ReadBlock read_in_blocks(std::string_view text, size_t block) {
  return [text, block](char* to, size_t size) mutable {
    const size_t count = std::min({size, block, text.size()});
    text.copy(to, count);
    text.remove_prefix(count);
    return count;
  };
}

std::vector<std::string> pieces(std::string_view text, size_t block) {
  PieceReader reader(read_in_blocks(text, block));
  std::vector<std::string> all;
  while (auto piece = reader.next()) all.push_back(*piece);
  return all;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

TEST(PieceReader, CutsDoNotDependOnBlocks) {
  std::string text;
  for (int i = 0; i < 9000; ++i) {
    text += "word" + std::to_string(i) + (i % 11 == 0 ? " \n" : i % 97 == 0 ? "\n\n" : " ");
  }
  const std::vector<std::string> whole = pieces(text, text.size());
  EXPECT_GE(whole.size(), 4U);
  EXPECT_EQ(joined(whole), text);
  for (size_t i = 0; i + 1 < whole.size(); ++i) {
    EXPECT_LE(whole[i].size(), kPieceBytes);
    EXPECT_GT(whole[i].size(), kPieceBytes - 20);
    EXPECT_TRUE(std::isdigit(whole[i].back()));
    EXPECT_EQ(whole[i + 1].substr(0, 5), " word");
  }
  EXPECT_EQ(pieces(text, 1), whole);
  EXPECT_EQ(pieces(text, 4099), whole);
}

TEST(PieceReader, CutsLongLinesBeforeBlanks) {
  std::string line;
  while (line.size() < 3 * kPieceBytes) line += " \xC3\xA9t\xC3\xA9";
  const auto parts = pieces(line, 1000);
  EXPECT_EQ(joined(parts), line);
  for (const std::string& part : parts) EXPECT_EQ(part.front(), ' ');
}

TEST(PieceReader, NeverCutsACharacter) {
  std::string line = "x";
  while (line.size() < 2 * kPieceBytes) line += "\xE6\xBC\xA2";
  const auto parts = pieces(line, 777);
  EXPECT_EQ(joined(parts), line);
  for (const std::string& part : parts) {
    EXPECT_LE(part.size(), kPieceBytes);
    EXPECT_EQ(refused(part), "");
  }
}

TEST(PieceReader, LeavesOutTheByteOrderMark) {
  EXPECT_EQ(joined(pieces("\xEF\xBB\xBFtext", 1)), "text");
  EXPECT_TRUE(pieces("", 10).empty());
}

TEST(PieceReader, UnixLines) { EXPECT_EQ(unix_lines("a\r\nb\rc\n\r\n"), "a\nb\rc\n\n"); }

}  // namespace
}  // namespace memlong::engine
