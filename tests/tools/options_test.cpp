// Flags, files, environment: who wins, and what is refused how.
#include "tools/common/options.h"

#include <array>

#include <gmock/gmock.h>

#include "common/error.h"
#include "tools/option_harness.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// The message of the usage error that parsing ends with.
std::string refusal(OptionHarness& harness, const std::vector<std::string>& words) {
  try {
    harness.parse(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage) << error.what();
    return error.what();
  }
  return "(accepted)";
}

TEST(Options, ReadsEveryKindOfValue) {
  OptionHarness h;
  ASSERT_TRUE(h.parse({"--top-k", "3", "--temp=0.25", "--json", "-n", "a b", "--window=64",
                       "--lengths", "512, 1024", "--lengths=9", "--stop", "a,b", "one", "-"}));
  EXPECT_EQ(h.top_k, 3);
  EXPECT_DOUBLE_EQ(h.temp, 0.25);
  EXPECT_TRUE(h.json);
  EXPECT_EQ(h.name, "a b");
  EXPECT_EQ(h.window, 64);
  EXPECT_THAT(h.lengths, ElementsAre(512, 1024, 9));
  EXPECT_THAT(h.stops, ElementsAre("a,b"));
  EXPECT_THAT(h.paths, ElementsAre("one", "-"));
  EXPECT_TRUE(h.set.given("window"));
  EXPECT_FALSE(h.set.given("mode"));
}

TEST(Options, PathListsTakeWordsUpToTheNextFlag) {
  OptionHarness h;
  ASSERT_TRUE(h.parse({"--text", "a,1.txt", "b.txt", "--top-k", "2", "--text=c.txt"}));
  EXPECT_THAT(h.files, ElementsAre("a,1.txt", "b.txt", "c.txt"));
}

TEST(Options, FlagsCanBeTakenBackAndSpelledWithUnderscores) {
  OptionHarness h;
  h.json = true;
  ASSERT_TRUE(h.parse({"--no-json", "--top_k=4"}));
  EXPECT_FALSE(h.json);
  EXPECT_EQ(h.top_k, 4);
}

TEST(Options, WordsAfterTwoDashesAreNoOptions) {
  OptionHarness h;
  ASSERT_TRUE(h.parse({"--", "--top-k", "[x,y]"}));
  EXPECT_THAT(h.paths, ElementsAre("--top-k", "[x,y]"));
  EXPECT_EQ(h.top_k, 8);
}

TEST(Options, AnEmptyValueIsAValue) {
  OptionHarness h;
  ASSERT_TRUE(h.parse({"--name=", "word"}));
  EXPECT_EQ(h.name, "");
  EXPECT_THAT(h.paths, ElementsAre("word"));
}

TEST(Options, FlagBeatsFileBeatsEnvironmentBeatsDefault) {
  const TempFolder folder;
  const std::string file = folder.write("a.toml", "top-k = 20\ntemp = 0.5\n");
  const Environment top_k("MEMLONG_TOP_K", "30");
  const Environment temp("MEMLONG_TEMP", "0.75");
  const Environment name("MEMLONG_NAME", "env");
  OptionHarness h;
  ASSERT_TRUE(h.parse({"--config", file, "--top-k", "10"}));
  EXPECT_EQ(h.top_k, 10);
  EXPECT_DOUBLE_EQ(h.temp, 0.5);
  EXPECT_EQ(h.name, "env");
  EXPECT_EQ(h.mode, "on");
}

TEST(Options, FileKeysMayUseUnderscoresAndTables) {
  const TempFolder folder;
  const std::string file = folder.write("a.toml",
                                        "top_k = 20\nlengths = [1, 2]\njson = true\n"
                                        "[memlong-x]\ntop_k = 21\nstop = [\"a,b\", \"c\"]\n"
                                        "[memlong-other]\nanything = 1\n"
                                        "[list]\nlimit = 7\n");
  OptionHarness h(true);
  ASSERT_TRUE(h.parse({"list", "--config", file}));
  EXPECT_EQ(h.top_k, 21);
  EXPECT_THAT(h.lengths, ElementsAre(1, 2));
  EXPECT_THAT(h.stops, ElementsAre("a,b", "c"));
  EXPECT_TRUE(h.json);
  EXPECT_EQ(h.list_limit, 7);
  OptionHarness other(true);
  ASSERT_TRUE(other.parse({"verify", "--config", file}));
  EXPECT_EQ(other.list_limit, 5) << "the table of a command that does not run changes nothing";
}

TEST(Options, SizesHaveUnitsEverywhere) {
  const auto bytes = [](const std::vector<std::string>& words) {
    OptionHarness h;
    EXPECT_TRUE(h.parse(words));
    return h.bytes;
  };
  const TempFolder folder;
  EXPECT_EQ(bytes({"--bytes", "2GiB"}), int64_t{2} << 30);
  EXPECT_EQ(bytes({"--bytes", "0"}), 0);
  EXPECT_EQ(bytes({"--config", folder.write("a.toml", "bytes = \"64KiB\"\n")}), 65536);
  EXPECT_EQ(bytes({"--config", folder.write("b.toml", "bytes = 1500000\n")}), 1500000);
  const Environment variable("MEMLONG_BYTES", "2GB");
  EXPECT_EQ(bytes({}), 2000000000);
  OptionHarness shown;
  ASSERT_TRUE(shown.parse({"--bytes=1.5K"}));
  EXPECT_THAT(tools::format_config(shown.set), HasSubstr("\nbytes = 1536 "));
  OptionHarness wrong;
  EXPECT_EQ(refusal(wrong, {"--bytes", "-5"}),
            "--bytes: '-5' is no size; 1500000, 64MiB and 2GB are");
}

TEST(Options, NamedFilesMustBeThere) {
  const TempFolder folder;
  OptionHarness h;
  EXPECT_EQ(refusal(h, {"--there", folder / "none"}),
            "--there: " + folder / "none" + ": No such file or directory");
  OptionHarness good;
  EXPECT_TRUE(good.parse({"--there", folder.write("a", "")}));
  OptionHarness input;
  EXPECT_TRUE(input.parse({"--there", "-"})) << "standard input";
}

TEST(Options, EnvironmentNamesAFileToo) {
  const TempFolder folder;
  const Environment config("MEMLONG_CONFIG", folder.write("a.toml", "top-k = 20\n"));
  OptionHarness h;
  ASSERT_TRUE(h.parse({}));
  EXPECT_EQ(h.top_k, 20);
}

TEST(Options, AnEmptyVariableSaysNothing) {
  const Environment top_k("MEMLONG_TOP_K", "");
  OptionHarness h;
  ASSERT_TRUE(h.parse({}));
  EXPECT_EQ(h.top_k, 8);
}

TEST(Options, DumpedConfigGivesTheSameValuesAgain) {
  const TempFolder folder;
  OptionHarness first(true);
  ASSERT_TRUE(first.parse({"--top-k", "3", "--temp", "0.1", "--json", "--name", "q\"\\\n\x7f",
                           "--window", "64", "--lengths", "1,2", "--stop", "a,b", "--text", "f,g",
                           "list", "--limit", "2", "w"}));
  const std::string dumped = tools::format_config(first.set);
  OptionHarness second(true);
  ASSERT_TRUE(second.parse({"list", "--config", folder.write("b.toml", dumped)})) << dumped;
  EXPECT_EQ(second.top_k, 3);
  EXPECT_DOUBLE_EQ(second.temp, 0.1);
  EXPECT_TRUE(second.json);
  EXPECT_EQ(second.name, "q\"\\\n\x7f");
  EXPECT_EQ(second.window, 64);
  EXPECT_THAT(second.lengths, ElementsAre(1, 2));
  EXPECT_THAT(second.stops, ElementsAre("a,b"));
  EXPECT_THAT(second.files, ElementsAre("f,g"));
  EXPECT_EQ(second.list_limit, 2);
  EXPECT_THAT(second.paths, ElementsAre("w"));
}

TEST(Options, DumpedConfigKeepsWhatIsEmptyAndWhatIsLargerThanTomlsNumbers) {
  const TempFolder folder;
  uint64_t seed = 1;
  std::vector<std::string> targets = {"q", "k"};
  std::string name = "x";
  tools::OptionSet set("memlong-x", "");
  set.add("seed", &seed, "");
  set.add("targets", &targets, "");
  set.add("name", &name, "");
  const std::array first = {"memlong-x", "--seed=18446744073709551615", "--targets=", "--name="};
  ASSERT_TRUE(set.parse(4, first.data()));
  const std::string file = folder.write("a.toml", tools::format_config(set));
  uint64_t seed_again = 1;
  std::vector<std::string> targets_again = {"q", "k"};
  std::string name_again = "x";
  tools::OptionSet again("memlong-x", "");
  again.add("seed", &seed_again, "");
  again.add("targets", &targets_again, "");
  again.add("name", &name_again, "");
  const std::array second = {"memlong-x", "--config", file.c_str()};
  ASSERT_TRUE(again.parse(3, second.data()));
  EXPECT_EQ(seed_again, 18446744073709551615U);
  EXPECT_TRUE(targets_again.empty());
  EXPECT_EQ(name_again, "");
}

TEST(Options, RefusalsNameTheSource) {
  const TempFolder folder;
  const std::string unknown = folder.write("u.toml", "topk = 3\n");
  const std::string wrong = folder.write("w.toml", "top-k = \"many\"\n");
  const std::string broken = folder.write("b.toml", "ok = 1\nnot toml\n");
  const std::string table = folder.write("t.toml", "[nonsense]\na = 1\n");
  OptionHarness h;
  EXPECT_THAT(refusal(h, {"--config", unknown}), AllOf(HasSubstr("'topk'"), HasSubstr(unknown)));
  EXPECT_THAT(refusal(h, {"--config", wrong}), AllOf(HasSubstr("key top-k of"), HasSubstr(wrong)));
  EXPECT_THAT(refusal(h, {"--config", broken}), AllOf(HasSubstr(broken), HasSubstr("line 2")));
  EXPECT_THAT(refusal(h, {"--config", table}), AllOf(HasSubstr("[nonsense]"), HasSubstr(table)));
  EXPECT_THAT(refusal(h, {"--config", folder / "none"}), HasSubstr("none: No such file"));
  {
    const Environment file("MEMLONG_CONFIG", folder / "none");
    OptionHarness by_variable;
    EXPECT_THAT(refusal(by_variable, {}), testing::StartsWith("MEMLONG_CONFIG: cannot open "));
  }
  const Environment top_k("MEMLONG_TOP_K", "many");
  OptionHarness no_file;
  EXPECT_EQ(refusal(no_file, {}), "MEMLONG_TOP_K: 'many' is not a whole number");
}

struct Refused {
  std::vector<std::string> words;
  std::string message;
};

TEST(Options, RefusesWhatCannotBeRight) {
  const std::vector<Refused> cases = {
      {{"--top-k", "x"}, "--top-k: 'x' is not a whole number"},
      {{"--top-k", "3.5"}, "--top-k: '3.5' is not a whole number"},
      {{"--top-k", "0"}, "--top-k: 0 is not between 1 and 100"},
      {{"--bytes", "2000000000000000000"},
       "--bytes: 2000000000000000000 is not between 0 and 1000000000000000000"},
      {{"--top-k", "99999999999999999999"}, "--top-k: 99999999999999999999 is out of range"},
      {{"--temp", "nan"}, "--temp: 'nan' is not a number"},
      {{"--mode", "both"}, "--mode: 'both' is none of on, off"},
      {{"--json=maybe"}, "--json: 'maybe' is not true or false"},
      {{"--lengths", "1,x"}, "--lengths: 'x' is not a whole number"},
      {{"--name"}, "--name needs a value"},
      {{"--name", "--json"}, "--name needs a value, not --json (--name=--json gives it this one)"},
      {{"--tpo-k", "1"},
       "there is no option --tpo-k; did you mean --top-k? (see memlong-x --help)"},
      {{"-z"}, "there is no option -z (see memlong-x --help)"},
      {{"--no-name"}, "there is no option --no-name (see memlong-x --help)"}};
  for (const Refused& each : cases) {
    OptionHarness h;
    EXPECT_EQ(refusal(h, each.words), each.message);
  }
}

TEST(Options, CommandsAreAskedForAndNamed) {
  OptionHarness none(true);
  EXPECT_THAT(refusal(none, {}), HasSubstr("One of list, verify"));
  OptionHarness wrong(true);
  EXPECT_EQ(refusal(wrong, {"lits"}),
            "there is no command 'lits'; did you mean list? (see memlong-x --help)");
  OptionHarness far(true);
  EXPECT_EQ(refusal(far, {"nothing"}), "there is no command 'nothing' (see memlong-x --help)");
  OptionHarness extra(true);
  EXPECT_THAT(refusal(extra, {"verify", "word"}), HasSubstr("'word' is not expected here"));
  OptionHarness good(true);
  ASSERT_TRUE(good.parse({"--json", "list", "verify", "--top-k", "2"}));
  EXPECT_EQ(good.set.chosen(), "list");
  EXPECT_THAT(good.paths, ElementsAre("verify")) << "a command's name may be an argument";
  EXPECT_EQ(good.top_k, 2);
}

TEST(Options, RequiredOptionsMayComeFromAnywhere) {
  std::string bank;
  const auto parse = [&bank](const std::vector<const char*>& argv) {
    tools::OptionSet set("memlong-x", "");
    set.add("bank", &bank, "folder").required();
    return set.parse(static_cast<int>(argv.size()), argv.data());
  };
  EXPECT_THROW((void)parse({"memlong-x"}), Error);
  const Environment variable("MEMLONG_BANK", "there");
  EXPECT_TRUE(parse({"memlong-x"}));
  EXPECT_EQ(bank, "there");
}

TEST(Options, HelpShowsGroupsDefaultsAndChoices) {
  OptionHarness h(true);
  const std::string help = tools::format_help(h.set);
  EXPECT_THAT(help, HasSubstr("Usage: memlong-x COMMAND [options]"));
  EXPECT_THAT(help, HasSubstr("\nSampling:\n  --top-k N                   candidates [8]\n"));
  EXPECT_THAT(help, HasSubstr("--mode TEXT                 how: on, off [on]"));
  EXPECT_THAT(help, HasSubstr("  list                        Lists.\n"));
  EXPECT_THAT(tools::format_help(*h.list), HasSubstr("Usage: memlong-x list [options] [WHAT...]"));
  for (size_t begin = 0; begin < help.size();) {
    const size_t end = help.find('\n', begin);
    EXPECT_LE(end - begin, 100U) << help.substr(begin, end - begin);
    begin = end + 1;
  }
}

}  // namespace
}  // namespace memlong::tools_test
