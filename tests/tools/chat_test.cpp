#include <cstdlib>
#include <sys/wait.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "membank/bank.h"
#include "support/paths.h"
#include "tests/tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

/// A fact, and enough other talk behind it that it is no longer in the last window.
std::string dialog_with_a_fact() {
  json turns = json::array();
  const auto say = [&](const std::string& user, const std::string& assistant) {
    turns.push_back({{"role", "user"}, {"content", user}});
    turns.push_back({{"role", "assistant"}, {"content", assistant}});
  };
  say("I need a table for two.", "Which city are you in?");
  say("I left my glasses on the piano.", "Your glasses: on the piano. Noted.");
  const Words cities = {"Paris", "London", "Sydney", "Seattle", "Portland", "Atlanta", "Boston"};
  for (int i = 0; i < 21; ++i) {
    const std::string& city = cities[static_cast<size_t>(i) % cities.size()];
    say("Find me a one way flight to " + city + " on March " + std::to_string(i + 1) + "th.",
        "There are " + std::to_string(i + 2) + " flights to " + city + ". Shall I book one?");
  }
  return json({{"turns", turns}}).dump();
}

constexpr const char* kQuestion = "Where did I leave my glasses?";

class ChatTool : public ::testing::Test {
 protected:
  /// Everything greedy; `--bank` and `--session` only where they are among the words.
  ToolResult chat(const Words& words, const std::string& input = {}) {
    Words args = {"--model", reference_model(), "--greedy", "--history", "", "--threads", "1"};
    args.insert(args.end(), words.begin(), words.end());
    return run_tool("memlong-chat", args, input);
  }

  ToolResult in_session(const Words& words, const std::string& input = {}) {
    Words args = {"--bank", bank_, "--session", "anna"};
    args.insert(args.end(), words.begin(), words.end());
    return chat(args, input);
  }

  json ask(const Words& words) {
    Words args = {"--json", "--quiet", "--prompt", kQuestion};
    args.insert(args.end(), words.begin(), words.end());
    const ToolResult result = in_session(args);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  }

  /// Feeds the dialog into a bank that all tests share; they must not write to it.
  json feed() {
    static const TempFolder shared;
    bank_ = shared / "bank";
    const std::string file = shared.write("dialog.json", dialog_with_a_fact());
    const ToolResult result = in_session({"--dialog", file, "--json", "--quiet"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return json::parse(result.out);
  }

  TempFolder folder_;
  std::string bank_ = folder_ / "bank";
};

TEST_F(ChatTool, AnswersFromMemoryInAnotherProcess) {
  const json fed = feed();
  EXPECT_EQ(fed["session_turns"], 46);
  EXPECT_GT(fed["session_tokens"], 700) << "more than a window and a chunk";
  EXPECT_EQ(feed()["turns_known"], 46) << "a dialog is not read twice";

  const json with = ask({"--no-save"});
  EXPECT_EQ(with["text"], "You left your glasses on the piano.");
  EXPECT_EQ(with["tokens"], 10);
  EXPECT_GT(with["prompt_tokens"], 5);
  EXPECT_LT(with["prompt_tokens"], 30);
  EXPECT_GT(with["seconds"], 0.0);
  ASSERT_FALSE(with["retrieved"].empty());
  const json& best = with["retrieved"][0];
  EXPECT_NE(best["text"].get<std::string>().find("piano"), std::string::npos) << best;
  EXPECT_EQ(best["document"], fed["document"]);
  EXPECT_GT(best["chunk"], 0);
  EXPECT_EQ(best["position"], 0);
  EXPECT_GT(best["score"], 0.2);
  EXPECT_GT(best["attention"], 0.0);
  EXPECT_LE(best["attention"], 1.0);

  const json without = ask({"--no-save", "--no-memory"});
  EXPECT_NE(without["text"], with["text"]);
  EXPECT_TRUE(without["retrieved"].empty());
  EXPECT_EQ(without["session_turns"], with["session_turns"]) << "--no-save kept something";
}

/// Whoever made the bank may have been killed before he had noted its model.
TEST_F(ChatTool, NotesTheModelInABankThatDoesNotKnowIt) {
  ASSERT_EQ(in_session({"--prompt", "Hello."}).code, 0);
  const membank::Fingerprint print = membank::Bank::open(bank_, {})->fingerprint();
  bank_ = folder_ / "unfinished";
  (void)membank::Bank::open(bank_, {.mode = membank::OpenMode::write, .fingerprint = print});
  ASSERT_EQ(in_session({"--prompt", "Hello."}).code, 0);
  EXPECT_EQ(membank::Bank::open(bank_, {})->snapshot()->blob("model"), reference_model());
}

TEST_F(ChatTool, KeepsAnAnsweredPromptUnlessToldNotTo) {
  const Words prompt = {"--json", "--quiet", "--prompt", "My favourite drink is milk."};
  const json first = json::parse(in_session(prompt).out);
  EXPECT_EQ(first["session_turns"], 2);
  EXPECT_EQ(first["session"], "anna");
  const int64_t tokens = first["session_tokens"];

  const json unkept = ask({"--no-save"});
  EXPECT_EQ(unkept["session_turns"], 4);
  const json again = ask({"--no-save"});
  EXPECT_EQ(again["session_tokens"], unkept["session_tokens"]);
  EXPECT_EQ(again["text"], unkept["text"]);
  EXPECT_GT(again["session_tokens"], tokens);

  EXPECT_EQ(ask({})["session_turns"], 4);
  EXPECT_EQ(ask({})["session_turns"], 6);
}

TEST_F(ChatTool, StreamsThePlainAnswerAndTellsTheTimes) {
  const ToolResult result = chat({"--prompt", "-"}, "My favourite drink is milk.\n");
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("milk"), std::string::npos) << result.out;
  EXPECT_TRUE(result.out.ends_with(".\n")) << result.out;
  EXPECT_NE(result.err.find("prompt eval time ="), std::string::npos) << result.err;
  EXPECT_EQ(chat({"--quiet", "--prompt", "My favourite drink is milk."}).err, "");
}

TEST_F(ChatTool, SaysWhatIsNewInPromptModeToo) {
  const Words prompt = {"--prompt", "Hello.", "-n", "2"};
  const ToolResult first = in_session(prompt);
  EXPECT_NE(first.err.find("memlong: bank " + bank_ + " is new\n"), std::string::npos) << first.err;
  EXPECT_NE(first.err.find("memlong: session 'anna' is new\n"), std::string::npos) << first.err;
  EXPECT_EQ(in_session(prompt).err.find(" is new"), std::string::npos);
  EXPECT_EQ(in_session({"--session", "ann", "--quiet", "--prompt", "Hello.", "-n", "2"}).err, "");
}

TEST_F(ChatTool, ReadsADialogFromStandardInput) {
  const ToolResult fed = in_session({"--dialog", "-", "--json", "--quiet"}, dialog_with_a_fact());
  ASSERT_EQ(fed.code, 0) << fed.err;
  EXPECT_EQ(json::parse(fed.out)["session_turns"], 46);
  EXPECT_EQ(in_session({"--dialog", "-", "--prompt", "-"}, "x").code, 2);
  EXPECT_EQ(in_session({"--dialog", "-", "-i"}, "x").code, 2);
  const ToolResult none = in_session({"--dialog", "-"}, "");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("--dialog -: there is nothing on standard input"), std::string::npos);
}

TEST_F(ChatTool, AnEmptyDialogIsNotResetIntoAnother) {
  const ToolResult result = in_session({"--quiet"}, "/reset\n/reset bob\n/quit\n");
  EXPECT_EQ(result.out,
            "This dialog is empty: there is nothing to begin anew.\n"
            "A new dialog begins, kept as bob; the old one was empty.\n");
}

TEST_F(ChatTool, ObeysPredictAndStop) {
  const Words prompt = {"--json", "--prompt", "My favourite drink is milk."};
  Words cut = prompt;
  cut.insert(cut.end(), {"-n", "3"});
  const json three = json::parse(chat(cut).out);
  EXPECT_EQ(three["tokens"], 3);
  EXPECT_EQ(three["reason"], "length");
  Words stopped = prompt;
  stopped.insert(stopped.end(), {"--stop", "drink"});
  const json before = json::parse(chat(stopped).out);
  EXPECT_EQ(before["reason"], "stop_text");
  EXPECT_EQ(before["text"].get<std::string>().find("drink"), std::string::npos);
}

TEST_F(ChatTool, TheSameSeedGivesTheSameAnswer) {
  const auto draw = [&](const std::string& seed) {
    return run_tool("memlong-chat",
                    {"--model", reference_model(), "--quiet", "--threads", "1", "-n", "20",
                     "--temp", "1.5", "--seed", seed, "--prompt", "Tell me a story."})
        .out;
  };
  const std::string first = draw("0");
  EXPECT_EQ(draw("0"), first);
  EXPECT_NE(draw("1"), first);
}

TEST_F(ChatTool, TalksOverAPipe) {
  const ToolResult result = in_session(
      {"-n", "20"},
      "My favourite drink is milk.\nWhat is my \\\nfavourite drink?\n/why\n/memory\n//x\n/save\n"
      "/nothing\n/forget\nyes\n/memory\n/reset bob\n/quit\nnever read\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("The last answer read nothing from memory.\n"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find(" tokens in 4 turns"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("Kept: 6 turns, "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("Forgot dialog anna ("), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("0 tokens in 0 turns"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("kept as bob"), std::string::npos) << result.out;
  EXPECT_NE(result.err.find("there is no command /nothing"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("session:"), std::string::npos) << result.err;
}

TEST_F(ChatTool, ShowsWhatAnAnswerReadAndFindsIt) {
  feed();
  const ToolResult result = in_session(
      {"--no-save", "--quiet"},
      std::string(kQuestion) + "\n/why\n/why 1\n/why 99\n/search glasses piano\n/forget\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out.find("You left your glasses on the piano.\n"), 0U) << result.out;
  EXPECT_NE(result.out.find("this dialog"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("Your glasses: on the piano. Noted."), std::string::npos) << result.out;
  EXPECT_NE(result.err.find("/why takes a number from 1 to "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("not open for writing"), std::string::npos) << result.err;
}

TEST_F(ChatTool, ReadsWhatIsAskedForAndNothingElse) {
  feed();
  const auto asked = [&](const Words& words) {
    Words args = {"--bank", bank_, "--json", "--prompt", kQuestion};
    args.insert(args.end(), words.begin(), words.end());
    const ToolResult result = chat(args);
    EXPECT_EQ(result.code, 0) << result.err;
    const json answer = json::parse(result.out, nullptr, false);
    return answer.is_object() ? answer["retrieved"].size() : 999;
  };
  EXPECT_GT(asked({}), 0U) << "without a session the whole bank is read";
  EXPECT_GT(asked({"--read", "default"}), 0U);
  EXPECT_GT(asked({"--document", "1"}), 0U);
  EXPECT_EQ(asked({"--session", "bob", "--no-save"}), 0U) << "another dialog is not read unasked";
  EXPECT_GT(asked({"--session", "bob", "--no-save", "--read-all"}), 0U);

  const ToolResult missing = chat({"--bank", bank_, "--read", "nowhere", "--prompt", "x"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_NE(missing.err.find("there is no such namespace"), std::string::npos) << missing.err;
  EXPECT_EQ(chat({"--bank", bank_, "--document", "77", "--prompt", "x"}).code, 2);
}

TEST_F(ChatTool, RefusesWhatCannotBe) {
  const auto refused = [&](const Words& words, const std::string& part) {
    const ToolResult result = chat(words);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  refused({"--session", "x"}, "--session needs --bank");
  refused({"--bank", bank_, "--prompt", "x"}, "there is no bank in");
  refused({"--json"}, "--json needs --prompt or --dialog");
  refused({"--prompt", ""}, "--prompt is empty");
  refused({"--prompt", "x", "--retain", "fifo"}, "needs --budget-chunks or --budget-bytes");
  refused({"--prompt", "x", "--top-p", "2"}, "--top-p");
  refused({"--prompt", "x", "--retain", "fifo", "--budget-bytes", "2 Gib"}, "'2 Gib' is no size");
  refused({"--prompt", "x", "--temp", "-1"}, "--temp: -1.0 is not between 0 and 1000000\n");
  refused({"--dialog", folder_.write("d.json", "{}")}, "--dialog alone keeps nothing");
  EXPECT_EQ(run_tool("memlong-chat", {"--prompt", "x"}).code, 2) << "no model";
}

TEST_F(ChatTool, NamesTheTurnOfABadDialogAndKeepsNothing) {
  const std::string file = folder_.write("bad.json", R"({"turns": [{"role": "user", "content": "a"},
                                              {"role": "owner", "content": "b"}]})");
  const ToolResult result = in_session({"--dialog", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("turn 1: role \"owner\""), std::string::npos) << result.err;
}

TEST_F(ChatTool, CtrlCDuringADialogKeepsWhatWasRead) {
  const std::string dialog = test::source_dir() + "/examples/dialog-80k.json";
  const std::string errors = folder_ / "errors";
  const std::string command = "timeout --foreground --preserve-status --signal=INT 1 '" +
                              test::bin_dir() + "/memlong-chat' --threads 1 --model '" +
                              reference_model() + "' --bank '" + bank_ +
                              "' --session anna --dialog '" + dialog + "' 2> '" + errors + "'";
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  const std::string text = slurp(errors);
  const size_t at = text.find("stopped after ");
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_NE(text.find("the same command goes on from there"), std::string::npos) << text;
  const int64_t turns = std::stoll(text.substr(at + std::string("stopped after ").size()));
  EXPECT_EQ(ask({"--no-save"})["session_turns"], turns + 2);
}

TEST_F(ChatTool, TheSystemPromptOpensANewDialogOnly) {
  const Words prompt = {"--json", "--prompt", "Hello.", "--system"};
  Words first = prompt;
  first.emplace_back("Be kind.");
  EXPECT_EQ(json::parse(in_session(first).out)["session_turns"], 3);
  EXPECT_EQ(json::parse(in_session(first).out)["session_turns"], 5);
  Words other = prompt;
  other.emplace_back("Be cruel.");
  const ToolResult result = in_session(other);
  EXPECT_EQ(json::parse(result.out)["session_turns"], 7);
  EXPECT_NE(result.err.find("--system is left out"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace memlong::tools_test
