// Files that memlong-ingest cannot read: each is named in one line, the others go in.
#include <chrono>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "membank/bank.h"
#include "support/paths.h"
#include "support/plain_user.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kGood = "The farmer walked to the market.\n";

class BadText : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-ingest")) GTEST_SKIP() << "memlong-ingest is not built";
    good_ = folder_.write("good.md", kGood);
  }

  ToolResult ingest(std::vector<std::string> paths, const std::string& input = {}) {
    std::vector<std::string> args = {"--model",        reference_model(), "--bank",
                                     folder_ / "bank", "--quiet",         "--json"};
    args.insert(args.end(), paths.begin(), paths.end());
    ToolCall call;
    call.input = input;
    call.timeout_seconds = 60;
    return run_tool("memlong-ingest", args, call);
  }

  /// One bad source, and a good one behind it that goes in.
  void named(const std::string& bad, const std::string& says, const std::string& input = {}) {
    SCOPED_TRACE(bad + ": " + says);
    fs::remove_all(folder_ / "bank");
    const ToolResult result = ingest({bad, good_}, input);
    expect_one_line(result, 1, "failed: ", says);
    expect_good(result, 1);
  }

  void expect_good(const ToolResult& result, int failed) const {
    const json totals = json::parse(result.out, nullptr, false);
    ASSERT_TRUE(totals.is_object()) << result.out << result.err;
    EXPECT_EQ(totals["documents_failed"], failed);
    EXPECT_GE(totals["documents_new"], 1);
    const auto bank = membank::Bank::open(
        folder_ / "bank", {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
    const auto snapshot = bank->snapshot();
    const auto documents = snapshot->documents();
    ASSERT_FALSE(documents.empty());
    EXPECT_EQ(documents.back().name, good_);
    EXPECT_EQ(snapshot->text(documents.back().id), kGood);
  }

  std::string pipe(const std::string& name) const {
    const std::string path = folder_ / name;
    if (mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
    return path;
  }

  TempFolder folder_;
  std::string good_;
};

TEST_F(BadText, WhatIsNoText) {
  const auto file = [&](const std::string& content) { return folder_.write("bad.txt", content); };
  named(file(""), "bad.txt: empty");
  named(file(" \n\t\n"), "bad.txt: empty: nothing but white space");
  named(file(std::string("\x7f"
                         "ELF\2\1\1\0\0\0",
                         10)),
        "bad.txt: a binary file: byte 7 is zero");
  named(file("caf\xe9 au lait"), "bad.txt: not UTF-8: byte 3 begins no valid character");
  named(file("cut in a character \xe2\x82"), "bad.txt: not UTF-8: byte 19");
  named(file(std::string("\xff\xfeh\0i\0", 6)), "bad.txt: not UTF-8: byte 0");
  named(file(std::string(200000, 'x') + "\xc0\xaf"), "bad.txt: not UTF-8: byte 200000");
  named("-", "standard-input: not UTF-8: byte 1", "a\xff");
  named("-", "standard-input: empty");
}

TEST_F(BadText, WhatIsNoFile) {
  named(folder_ / "none.txt", "none.txt: No such file or directory");
  named("", "No such file or");
  named("/" + std::string(5000, 'a'), "aaa");
  named(folder_ / std::string(300, 'b'), "File name too long");
  fs::create_directory(folder_ / "nothing");
  named(folder_ / "nothing", "no file in this folder matches");
  named(good_ + "/x", "good.md/x: Not a directory");
  named("/dev/zero", "/dev/zero: a device, not a text");
  named("/dev/null", "/dev/null: a device, not a text");
}

TEST_F(BadText, LinksThatLeadNowhereAndRoundInCircles) {
  fs::create_symlink("loop.txt", folder_ / "loop.txt");
  fs::create_symlink("gone", folder_ / "dangling.txt");
  named(folder_ / "loop.txt", "loop.txt: Too many levels of symbolic links");
  named(folder_ / "dangling.txt", "dangling.txt: No such file or directory");
  // In a folder they are named too; a link to the folder itself is not followed, a pipe not read.
  fs::create_directory(folder_ / "in");
  fs::create_symlink("loop.txt", folder_ / "in/loop.txt");
  fs::create_symlink(".", folder_ / "in/round");
  pipe("in/pipe.txt");
  fs::remove(folder_ / "loop.txt");
  fs::remove(folder_ / "dangling.txt");
  named(folder_ / "in", "in/loop.txt: Too many levels of symbolic links");
}

TEST_F(BadText, APipeIsReadWhenSomebodyWritesAndRefusedWhenNobodyDoes) {
  const std::string path = pipe("pipe");
  const auto start = std::chrono::steady_clock::now();
  named(path, "pipe: a pipe that nobody writes to");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

/// Opens a pipe for writing as soon as somebody has opened it for reading; -1 after a minute.
int open_when_read(const std::string& path) {
  for (int i = 0; i < 60000; ++i) {
    const int descriptor = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor >= 0) return descriptor;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return -1;
}

TEST_F(BadText, AFileThatVanishesBeforeItsTurn) {
  // Files are listed before the first is read: once the pipe is open, the next one is known.
  const std::string path = pipe("pipe");
  const std::string vanishing = folder_.write("vanishing.txt", "soon gone\n");
  std::thread writer([&] {
    const int descriptor = open_when_read(path);
    fs::remove(vanishing);
    const std::string text = "What came through the pipe.\n";
    EXPECT_EQ(write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(descriptor);
  });
  const ToolResult result = ingest({path, vanishing, good_});
  writer.join();
  expect_one_line(result, 1, "failed: ", "vanishing.txt: No such file or directory");
  EXPECT_EQ(json::parse(result.out)["documents_new"], 2) << "the pipe was read";
  expect_good(result, 1);
}

TEST_F(BadText, LinesOfFiftyMegabytes) {
  constexpr size_t kBytes = 50U << 20U;
  std::string line(kBytes, 'a');
  for (size_t i = 0; i < kBytes; i += 7) line[i] = ' ';
  const std::string whole = folder_.write("long.txt", line);
  const ToolResult planned = ingest({"--dry-run", whole});
  EXPECT_EQ(planned.code, 0) << planned.err;
  EXPECT_EQ(json::parse(planned.out)["bytes"], kBytes);
  named(folder_.write("long.txt", line + "\xff"), "not UTF-8: byte 52428800");
  // As JSON a line has a limit.
  const std::string row = "{\"text\": \"" + line + line.substr(0, 20U << 20U) + "\"}\n";
  named(folder_.write("long.jsonl", row), "long.jsonl:1: a line of more than 64 MiB");
}

TEST_F(BadText, RowsOfJsonAreNamedByTheirLine) {
  const auto row = [&](const std::string& line, const std::string& says) {
    SCOPED_TRACE(line.substr(0, 80));
    fs::remove_all(folder_ / "bank");
    const std::string file = folder_.write("rows.jsonl", "{\"text\": \"one\"}\n" + line + "\n");
    const ToolResult result = ingest({file, good_});
    expect_one_line(result, 1, "failed: ", "rows.jsonl:2: " + says);
    EXPECT_EQ(json::parse(result.out, nullptr, false)["documents_new"], 2);
    expect_good(result, 1);
  };
  row("nonsense", "not JSON (byte 1)");
  row("{\"text\": \"cut", "not JSON (byte 13)");
  row("[1]", "not a JSON object");
  row("{\"text\": 5}", "field \"text\" is not a string");
  row("{\"other\": \"x\"}", "no field \"text\"");
  row("{\"text\": \"\"}", "empty");
  row("{\"text\": \"caf\xe9\"}", "not UTF-8: byte 13");
  row(std::string("{\"text\": \"a\0\"}", 14), "a binary file: byte 11 is zero");
  row("{\"text\": \"a\\u0000\"}", "a binary file: byte 1 is zero");
  row("{\"text\": \"\\ud800\"}", "not JSON (byte ");
  row("{\"text\": \"x\", \"n\": 1e999}", "not JSON (a number is out of range)");
  row("{\"text\": \"x\", \"name\": {}}", "field \"name\" is not a string");
  row("{\"text\": \"x\", \"namespace\": \"" + std::string(401, 'n') + "\"}",
      "its namespace has 401 bytes; 400 are the most");
  row("{\"turns\": [{\"role\": \"user\"}]}", "\"turns\" must hold objects with the strings");
  row("{\"messages\": \"hello\"}", "field \"messages\" is not a list");
  row("{\"text\": \"x\", \"more\": " + std::string(100000, '[') + std::string(100000, ']') + "}",
      "not JSON that is read: objects and lists stand more than 200 deep");
}

TEST_F(BadText, NamesCannotSpeakToTheTerminal) {
  const std::string name = std::string("evil\x1b[2J\n\x7f\xc2\x9b") + "31m.txt";
  named(folder_.write(name, ""), "evil\\x1b[2J\\n\\x7f\\x9b31m.txt: empty");
  named(folder_.write("latin\xe9.txt", ""), "latin\xef\xbf\xbd.txt: empty");
}

TEST_F(BadText, FilesWithoutPermissionAreNamed) {
  const std::string secret = folder_.write("secret.txt", "not for you\n");
  (void)folder_.write("in/locked/a.txt", "not for you\n");
  (void)folder_.write("in/b.txt", "A text.\n");
  test::as_plain_user(
      folder_.path(),
      {reference_model() + "/model.safetensors", test::bin_dir() + "/memlong-ingest"}, [&] {
        fs::permissions(secret, fs::perms::none);
        named(secret, "failed: cannot open " + secret + ": Permission denied");
        fs::permissions(folder_ / "in/locked", fs::perms::none);
        named(folder_ / "in", "in/locked: Permission denied");
        fs::permissions(folder_ / "in/locked", fs::perms::owner_all);
      });
}

}  // namespace
}  // namespace memlong::tools_test
