// Dialogs, and files that measure a model, which memlong-chat and memlong-eval cannot read.
#include <sys/stat.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "membank/bank.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;

std::string deep() { return std::string(100000, '[') + std::string(100000, ']'); }

class BadDialog : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-chat")) GTEST_SKIP() << "memlong-chat is not built";
  }

  /// Refused, and nothing of it is kept.
  void chat_refuses(const std::string& content, const std::string& says) const {
    SCOPED_TRACE(says);
    const std::string file = folder_.write("dialog", content);
    expect_refused("memlong-chat",
                   {"--model", reference_model(), "--bank", folder_ / "bank", "--session", "anna",
                    "--quiet", "--dialog", file},
                   1, says);
    if (!membank::Bank::exists(folder_ / "bank")) return;
    const auto bank = membank::Bank::open(
        folder_ / "bank", {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
    EXPECT_TRUE(bank->snapshot()->documents().empty());
  }

  void recall_refuses(const std::string& file, const std::string& says, int code = 1) const {
    SCOPED_TRACE(says);
    expect_refused("memlong-eval",
                   {"recall", "--model", reference_model(), "--quiet", "--dialogs", file}, code,
                   says);
  }

  [[nodiscard]] std::string pipe() const {
    const std::string path = folder_ / "pipe";
    if (mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
    return path;
  }

  TempFolder folder_;
};

TEST_F(BadDialog, OfAChat) {
  const std::string turn = R"({"role": "user", "content": "a"})";
  chat_refuses("", "holds no message");
  chat_refuses("once upon a time", "line 1 begins no message");
  chat_refuses(std::string("\0\1\2\3", 4), "line 1 begins no message");
  chat_refuses("{\"turns\": [", "is not JSON");
  chat_refuses("{\"turns\": [" + turn + "]}\n{\"turns\": [}\n", "line 2 is not JSON");
  chat_refuses(R"({"turns": [{"role": "owner", "content": "b"}]})",
               "turn 0: role \"owner\" is none");
  chat_refuses("{\"turns\": [" + turn + R"(, {"role": "\u001b[2J\n", "content": "b"}]})",
               "turn 1: role \"\\x1b[2J\\n\" is none of");
  chat_refuses("{\"turns\": [{\"role\": \"" + std::string(100000, 'r') + R"(", "content": ""}]})",
               "rrr...\" is none of");
  chat_refuses(R"({"turns": [{"role": "user", "content": 5}]})",
               "turn 0 has no string \"content\"");
  chat_refuses("{\"turns\": [{\"role\": \"user\", \"content\": \"caf\xe9\"}]}", "is not JSON");
  chat_refuses(R"({"turns": [], "n": 1e999})", "is not JSON: number overflow");
  chat_refuses("{\"turns\": " + deep() + "}", "turn 0 is not an object");
  const std::vector<std::string> from = {"--model",        reference_model(), "--bank",
                                         folder_ / "bank", "--session",       "anna",
                                         "--quiet",        "--dialog"};
  const auto with = [&](const std::string& path, const std::string& says, int code = 1) {
    std::vector<std::string> args = from;
    args.push_back(path);
    expect_refused("memlong-chat", args, code, says);
  };
  with(folder_ / "none", "--dialog: " + folder_ / "none" + ": No such file", 2);
  with(folder_.path().string(), "is not a regular file");
  with(pipe(), "is not a regular file");
}

TEST_F(BadDialog, OfARecallFile) {
  const json good = {{"turns",
                      {{{"role", "user"}, {"content", "My dog is Rex."}},
                       {{"role", "assistant"}, {"content", "Noted."}},
                       {{"role", "user"}, {"content", "What is my dog called?"}},
                       {{"role", "assistant"}, {"content", "Rex."}}}},
                     {"probes", {{{"turn", 3}, {"answer", "Rex"}, {"fact_turn", 0}}}}};
  const auto line = [&](const std::string& bad, const std::string& says) {
    recall_refuses(folder_.write("d.jsonl", good.dump() + "\n\r\n" + bad + "\n"),
                   "d.jsonl:3: " + says);
  };
  const auto changed = [&](const auto& change, const std::string& says) {
    json bad = good;
    change(bad);
    line(bad.dump(), says);
  };
  line("nonsense", "not JSON (byte 1)");
  line(good.dump().substr(0, 40), "not JSON (byte 40)");
  line("[1]", "not a JSON object");
  line("{\"turns\": 3, \"probes\": []}", "no list \"turns\"");
  line("{\"turns\": [], \"probes\": []}", "no turn");
  line("{\"turns\": [], \"n\": 1e999}", "not JSON (a number is out of range)");
  line("{\"turns\": " + deep() + "}", "not JSON that is read: objects and lists");
  line("{\"turns\": \"caf\xe9\"}", "not UTF-8: byte 14");
  changed([](json& d) { d["turns"][1]["role"] = "bot"; }, "role \"bot\" is not known");
  changed([](json& d) { d["turns"][1].erase("content"); }, "a turn without a string \"content\"");
  changed([](json& d) { d.erase("probes"); }, "no list \"probes\"");
  changed([](json& d) { d["probes"][0].erase("answer"); }, "a probe without a string \"answer\"");
  for (const json& turn : {json(2), json(77), json(uint64_t{1} << 63U), json(0)}) {
    changed([&](json& d) { d["probes"][0]["turn"] = turn; }, "a probe that names no answer");
  }
  for (const json& turn : {json(-1), json(1.5), json("3"), json::array()}) {
    changed([&](json& d) { d["probes"][0]["turn"] = turn; },
            "a probe whose \"turn\" is no number of a turn");
    changed([&](json& d) { d["probes"][0]["fact_turn"] = turn; },
            "a probe whose \"fact_turn\" is no number");
  }
  recall_refuses(folder_.write("d.jsonl", "\n \r\n"), "d.jsonl: no line holds a dialog");
  recall_refuses(folder_ / "none", "No such file or directory", 2);
  recall_refuses(folder_.path().string(), "Is a directory");
  recall_refuses("/dev/zero", "a device, not a text");
  recall_refuses(pipe(), "a pipe that nobody writes to");
}

TEST_F(BadDialog, OfOtherMeasurements) {
  const auto ppl = [&](const std::string& content, const std::string& says, int code = 1) {
    SCOPED_TRACE(says);
    expect_refused("memlong-eval",
                   {"ppl", "--model", reference_model(), "--quiet", "--lengths", "64", "--text",
                    folder_.write("t.txt", content)},
                   code, says);
  };
  ppl("", "t.txt: empty");
  ppl("short", "no text is long enough", 2);
  ppl("caf\xe9", "t.txt: not UTF-8: byte 3");
  ppl(std::string("ab\0cd", 5), "t.txt: a binary file: byte 2 is zero");
  const auto logits = [&](const std::string& ids, const std::string& says) {
    SCOPED_TRACE(says);
    expect_refused("memlong-eval",
                   {"logits", "--model", reference_model(), "--ids", folder_.write("ids", ids),
                    "--out", folder_ / "out"},
                   1, says);
  };
  logits("", "has no ids");
  logits("1 4096", "'4096' is no token id below 4096");
  logits("99999999999999999999", "is no token id");
  logits(std::string("1\0 2", 4), "'1\\x00' is no token id");
  logits("1 \x1b[2J", "'\\x1b[2J' is no token id");
}

TEST_F(BadDialog, BanksAndNamesOfAChat) {
  const auto refused = [&](const std::vector<std::string>& more, int code,
                           const std::string& says) {
    SCOPED_TRACE(says);
    std::vector<std::string> args = {
        "--model", reference_model(), "--quiet", "--prompt", "Hi", "-n", "1"};
    args.insert(args.end(), more.begin(), more.end());
    expect_refused("memlong-chat", args, code, says);
  };
  const std::string file = folder_.write("file", "no bank");
  refused({"--bank", file, "--session", "a"}, 1, "file: Not a directory");
  (void)folder_.write("garbage/data.mdb", std::string(10000, 'x'));
  refused({"--bank", folder_ / "garbage", "--session", "a"}, 1, "garbage/data.mdb");
  refused({"--bank", folder_ / "none"}, 2, "there is no bank in");
  refused({"--bank", folder_ / "b", "--session", "a", "--namespace", std::string(401, 'n')}, 2,
          "a namespace has 1 to 400 bytes, not 401");
  refused({"--temp", "nan"}, 2, "--temp: 'nan' is not a number");
  refused({"--predict", "99999999999999999999"}, 2, "out of range");
  refused({"--\x1b[2J"}, 2, "there is no option --\\x1b[2J");
  const auto config = [&](const std::string& toml, const std::string& says) {
    refused({"--config", folder_.write("c.toml", toml)}, 2, says);
  };
  config("colour = 1\n", "unknown key 'colour'");
  config("temp = nan\n", "'nan' is not a number");
  config("temp = 1979-05-27\n", "key temp of");
  config("\"te\\nmp\" = 1\n", "unknown key 'te\\nmp'");
  config(std::string("\0\1", 2), "line 1: not TOML");
  config("temp = " + deep(), "nested value depth");
}

}  // namespace
}  // namespace memlong::tools_test
