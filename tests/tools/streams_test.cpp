// Standard streams that are closed, full, abandoned or no streams at all; files that shrink while
// they are read.
#include <cstdio>
#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "membank/bank.h"
#include "support/paths.h"
#include "tools/open_talk.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Streams : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempFolder;
    const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
    const ToolResult made =
        run_tool("memlong-ingest", {shared_->write("a.txt", novel.substr(0, 4000)), "--bank",
                                    *shared_ / "bank", "--model", reference_model(), "--quiet"});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  void SetUp() override { fs::copy(*shared_ / "bank", bank()); }

  [[nodiscard]] std::string bank() const { return folder_ / "bank"; }
  [[nodiscard]] std::string chat() const {
    return "memlong-chat --greedy --quiet -n 2 --history '' --model '" + reference_model() + "' ";
  }
  [[nodiscard]] std::string ingest() const {
    return "memlong-ingest --quiet --model '" + reference_model() + "' --bank '" + bank() + "' ";
  }

  /// What the shell makes of it; standard error goes to a file, standard output too where the line
  /// says nothing else.
  [[nodiscard]] ToolResult shell(const std::string& line, const std::string& input = "") const {
    const std::string script = "export PATH='" + test::bin_dir() +
                               "':\"$PATH\" OMP_WAIT_POLICY=active GOMP_SPINCOUNT=1000; cd '" +
                               folder_.path().string() + "'; { " + line + "\n} > out 2> err";
    const std::string words = "bash -c " + quoted(script);
    FILE* pipe = ::popen(words.c_str(), "w");
    if (pipe == nullptr) throw std::runtime_error("popen failed");
    (void)std::fwrite(input.data(), 1, input.size(), pipe);
    const int status = ::pclose(pipe);
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            .out = slurp(folder_ / "out"),
            .err = slurp(folder_ / "err")};
  }
  static std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
  }

  TempFolder folder_;
  static TempFolder* shared_;
};

TempFolder* Streams::shared_ = nullptr;

/// The number of a closed stream must not become that of a file of the bank.
TEST_F(Streams, ClosedOnesAreNotTheBank) {
  const std::string bytes = slurp(bank() + "/data.mdb");
  const std::string at = " --bank '" + bank() + "' ";
  for (const std::string command : {"list", "stats", "verify", "show 1 --text", "export"}) {
    const ToolResult closed = shell("memlong-bank " + command + at + ">&-");
    expect_one_line(closed, 1, "memlong-bank: error: ", "cannot write to standard output");
    EXPECT_EQ(shell("memlong-bank " + command + at + ">&- 2>&-").code, 1);
    EXPECT_EQ(shell("memlong-bank " + command + at + "2>&-").code, 0);
  }
  EXPECT_TRUE(slurp(bank() + "/data.mdb") == bytes);
  expect_one_line(shell("memlong-bank compact" + at + ">&-"), 1,
                  "memlong-bank: error: ", "cannot write to standard output");
  EXPECT_EQ(shell("memlong-bank verify" + at).code, 0) << slurp(folder_ / "err");
  // Whatever was opened first would be read for standard input.
  expect_one_line(shell(ingest() + "- <&-"), 1, "failed: ", "standard-input: ");
  expect_one_line(shell(chat() + "<&-"), 1, "memlong-chat: error: ", "cannot read standard input");
  expect_one_line(shell(chat() + "--prompt - <&-"), 1,
                  "memlong-chat: error: ", "cannot read standard input: Bad file descriptor");
  EXPECT_EQ(membank::Bank::open(bank(), {})->snapshot()->documents().size(), 1U);
}

TEST_F(Streams, FullOnesAreAFailure) {
  const std::string at = " --bank '" + bank() + "' ";
  const std::string full = "cannot write to standard output: No space left on device";
  const std::vector<std::pair<std::string, std::string>> commands = {
      {"memlong-bank", "memlong-bank stats --json" + at},
      {"memlong-bank", "memlong-bank --help "},
      {"memlong-ingest", ingest() + "a.txt "},
      {"memlong-chat", chat() + "--prompt Hi "},
      {"memlong-chat", chat() + "--prompt Hi --json "}};
  (void)folder_.write("a.txt", "A new text.\n");
  for (const auto& [tool, command] : commands) {
    SCOPED_TRACE(command);
    expect_one_line(shell(command + "> /dev/full"), 1, tool + ": error: ", full);
  }
  // At the prompt too: the second message is not answered for nobody.
  const ToolResult talk =
      shell(chat() + "--session s" + at + "> /dev/full", "Hello.\nAre you there?\n");
  expect_one_line(talk, 1, "memlong-chat: error: ", full);
  EXPECT_EQ(shell("memlong-bank verify" + at).code, 0);
  // Nobody can be told that standard error is full; the work is done all the same.
  EXPECT_EQ(shell("memlong-bank stats" + at + "2> /dev/full").code, 0);
}

/// A shell's descriptor 3: a pipe whose reader has gone already.
const std::string kNobodyReads = "exec 3> >(true); wait $!; ";

TEST_F(Streams, AReaderThatGoesEndsTheToolQuietly) {
  const std::string at = " --bank '" + bank() + "' ";
  for (const std::string& command :
       {"memlong-bank list" + at, "memlong-bank export" + at, chat() + "--prompt Hi "}) {
    const ToolResult gone = shell(kNobodyReads + command + ">&3");
    EXPECT_EQ(gone.code, 141) << command;
    EXPECT_EQ(gone.err, "") << command;
  }
  const ToolResult talk = shell(kNobodyReads + chat() + "--session s" + at + ">&3", "a\nb\n");
  EXPECT_EQ(talk.code, 141);
  EXPECT_EQ(talk.err, "");
  EXPECT_EQ(shell("memlong-bank verify" + at).code, 0);
}

TEST_F(Streams, AFolderIsNoStream) {
  expect_one_line(shell(chat() + "< /"), 1, "memlong-chat: error: ", "standard input: Is a direct");
  expect_one_line(shell(chat() + "--prompt - < /"), 1, "memlong-chat: error: ", "Is a directory");
  expect_one_line(shell(ingest() + "- < /"), 1, "failed: ", "Is a directory");
}

TEST_F(Streams, OddLinesInAChat) {
  const std::string session = "--session s --bank '" + bank() + "'";
  const std::string zero("a\0b", 3);
  const std::string input = zero + "\n\xff\xfe caf\xe9\n" + std::string(10000, 'x') + "\n\n \t\n" +
                            "\x1b[31m\r\nlast line without an end";
  const ToolResult talk = shell(chat() + session, input);
  EXPECT_EQ(talk.code, 0) << talk.err;
  EXPECT_EQ(talk.err, "");
  const auto opened = membank::Bank::open(bank(), {});
  const auto snapshot = opened->snapshot();
  const auto dialog = snapshot->documents().back();
  const std::vector<membank::Turn> turns = snapshot->turns(dialog.id);
  ASSERT_EQ(turns.size(), 10U);
  EXPECT_EQ(turns[0].content, zero);
  EXPECT_EQ(turns[2].content, "\xef\xbf\xbd\xef\xbf\xbd caf\xef\xbf\xbd");
  EXPECT_EQ(turns[4].content, std::string(10000, 'x'));
  EXPECT_EQ(turns[6].content, "\x1b[31m");
  EXPECT_EQ(turns[8].content, "last line without an end");
  const ToolResult shown = shell("memlong-bank show s --bank '" + bank() + "'");
  EXPECT_THAT(shown.out, testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(shown.out, testing::Not(HasSubstr(std::string(1, '\0'))));
}

/// The bank's file loses its pages under a chat that has them mapped.
TEST_F(Streams, AFileThatShrinksWhileItIsReadIsAnError) {
#if defined(MEMLONG_SANITIZED)
  GTEST_SKIP() << "sanitizers report the signal in their own way";
#endif
  OpenTalk talk(folder_, {"--greedy", "--quiet", "-n", "2", "--model", reference_model(),
                          "--read-all", "--bank", bank()});
  talk.say("Hello.");
  (void)talk.hear("\n");
  fs::resize_file(bank() + "/data.mdb", 0);
  talk.say("Who is there?" + std::string(600, 'x'));
  const ToolResult ended = talk.end();
  expect_one_line(ended, 1, "memlong-chat: error: ", "");
}

}  // namespace
}  // namespace memlong::tools_test
