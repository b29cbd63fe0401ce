#include "tools/memlong-chat/dialog_file.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/tools/run_tool.h"

namespace memlong::tools {
namespace {

using Messages = std::vector<tokenizer::Message>;

std::string spelled(const Messages& messages) {
  std::string text;
  for (const auto& message : messages) text += message.role + "=" + message.content + ";";
  return text;
}

std::string parsed(const std::string& text) { return spelled(parse_dialog(text, "d")); }

std::string refusal(const std::string& text) {
  try {
    parse_dialog(text, "d");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format) << text;
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return {};
}

constexpr const char* kUser = R"({"role": "user", "content": "a"})";
constexpr const char* kAssistant = R"({"role": "assistant", "content": "b\nc"})";

TEST(DialogFile, ReadsOneObjectOverSeveralLines) {
  const std::string list = std::string("[\n") + kUser + ",\n" + kAssistant + "\n]";
  EXPECT_EQ(parsed("{\"turns\": " + list + "}\n"), "user=a;assistant=b\nc;");
  EXPECT_EQ(parsed("{\"messages\": " + list + ", \"id\": 3}"), "user=a;assistant=b\nc;");
  EXPECT_EQ(parsed(list), "user=a;assistant=b\nc;");
}

TEST(DialogFile, ReadsJsonLines) {
  const std::string one = std::string("{\"turns\": [") + kUser + "]}";
  EXPECT_EQ(parsed(one + "\n\n" + one + "\r\n"), "user=a;user=a;");
  EXPECT_EQ(parsed(std::string(kUser) + "\n" + kAssistant), "user=a;assistant=b\nc;");
}

TEST(DialogFile, ReadsPlainText) {
  EXPECT_EQ(parsed("\xEF\xBB\xBFSystem: be kind\nuser: hello\n  there: x\n\nASSISTANT:hi\r\n"),
            "system=be kind;user=hello\n  there: x;assistant=hi;");
}

TEST(DialogFile, PlainTextThatIsNotUtf8IsMadeSo) {
  EXPECT_EQ(parsed("User: caf\xE9"), "user=caf\xEF\xBF\xBD;");
}

TEST(DialogFile, NamesTheTurnOfABadRole) {
  const std::string text =
      std::string("{\"turns\": [") + kUser + R"(, {"role": "bot", "content": "b"}]})";
  EXPECT_EQ(refusal(text), R"(d: turn 1: role "bot" is none of "system", "user", "assistant")");
}

TEST(DialogFile, NamesTheTurnThatLacksAField) {
  EXPECT_EQ(refusal(R"({"turns": [{"role": "user"}]})"), R"(d: turn 0 has no string "content")");
  EXPECT_EQ(refusal(R"({"turns": [{"role": 1, "content": "x"}]})"),
            R"(d: turn 0 has no string "role")");
  EXPECT_EQ(refusal(R"({"turns": ["x"]})"), "d: turn 0 is not an object");
}

TEST(DialogFile, NamesTheLineOfBadJson) {
  const std::string first = std::string("{\"turns\": [") + kUser + "]}\n";
  EXPECT_TRUE(refusal(first + "{\"turns\": [\n").starts_with("d, line 2 is not JSON: "));
  EXPECT_EQ(
      refusal(first + R"({"turns": [{"role": "x", "content": ""}]})").find("d, line 2: turn 0"),
      0U);
  EXPECT_TRUE(refusal("{\"turns\": [").starts_with("d is not JSON: "));
}

TEST(DialogFile, RefusesWhatIsNoDialog) {
  EXPECT_EQ(refusal("{\"text\": 3}"), "d has no list \"turns\" or \"messages\"");
  EXPECT_EQ(refusal("{\"turns\": 3}"), "d: \"turns\" is not a list");
  EXPECT_TRUE(refusal("\nonce upon a time").starts_with("d, line 2 begins no message"));
  EXPECT_EQ(refusal(" \n"), "d holds no message");
  EXPECT_EQ(refusal("{\"turns\": []}"), "d holds no message");
}

TEST(DialogFile, ReadsAFileAndNamesItWhenItIsMissing) {
  const tools_test::TempFolder folder;
  EXPECT_EQ(spelled(read_dialog(folder.write("a.txt", "User: x"))), "user=x;");
  EXPECT_THROW(read_dialog(folder / "none"), Error);
}

membank::Turn turn(const std::string& role, const std::string& content) {
  membank::Turn result;
  result.role = role;
  result.content = content;
  return result;
}

TEST(KnownMessages, AreTheCommonBeginning) {
  const Messages dialog = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}};
  EXPECT_EQ(known_messages({}, dialog), 0U);
  EXPECT_EQ(known_messages({turn("user", "a"), turn("assistant", "b")}, dialog), 2U);
  EXPECT_EQ(known_messages({turn("user", "a"), turn("assistant", "b"), turn("user", "c"),
                            turn("assistant", "d")},
                           dialog),
            3U);
  EXPECT_EQ(known_messages({turn("user", "a"), turn("assistant", "x")}, dialog), 0U);
  EXPECT_EQ(known_messages({turn("user", "x")}, dialog), 0U);
}

TEST(KnownMessages, PassOverASystemPromptOfTheSession) {
  const Messages dialog = {{"user", "a"}, {"assistant", "b"}};
  EXPECT_EQ(known_messages({turn("system", "s"), turn("user", "a")}, dialog), 1U);
  EXPECT_EQ(known_messages({turn("system", "s"), turn("user", "a")}, {{"system", "s"}}), 1U);
  EXPECT_EQ(known_messages({turn("system", "s")}, dialog), 0U);
}

}  // namespace
}  // namespace memlong::tools
