// memlong-bank, run as a user runs it, on a small bank: looking.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "tools/made_bank.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const char* const kHarbour =
    "The lighthouse keeper lit the great lamp every evening and watched the ships come into the "
    "harbour. In winter the storms were so strong that no ship came for many weeks, and he read "
    "old letters by the fire until the spring returned.";
const char* const kGarden =
    "Roses need much sun, and water in the morning. The gardener cut the dead branches in March "
    "and put fresh earth around the roots, and in June the whole garden was full of flowers.";

class BankTool : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    BankMaker maker(bank());
    maker.add_text("harbour.txt", kHarbour, "books");
    maker.add_text("garden \x1b[31m.txt", kGarden);
    maker.add_dialog("diary", {{.role = "user", .content = "My cat is called Tom.", .time = 1},
                               {.role = "assistant", .content = "A fine name for a cat.\n"}});
    const std::vector<membank::ChunkId> hits = {1, 1, 2};
    maker.bank().count_hits(hits);
    maker.bank().flush_hits();
    harbour_tokens_ = maker.tokens_of(kHarbour);
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static std::string bank() { return *folder_ / "bank"; }
  static ToolResult run(std::vector<std::string> args) {
    args.insert(args.end(), {"--bank", bank()});
    return run_tool("memlong-bank", args);
  }
  static json run_json(std::vector<std::string> args) {
    args.emplace_back("--json");
    const ToolResult result = run(args);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  }

  static TempFolder* folder_;
  static int64_t harbour_tokens_;
};

TempFolder* BankTool::folder_ = nullptr;
int64_t BankTool::harbour_tokens_ = 0;

TEST_F(BankTool, StatsCountsEverything) {
  const json stats = run_json({"stats"});
  EXPECT_EQ(stats["documents"], 3);
  EXPECT_GT(stats["chunks"], 5);
  EXPECT_GT(stats["tokens"], harbour_tokens_);
  EXPECT_GT(stats["bytes"], 4096);
  EXPECT_GE(stats["generation"], 4);
  EXPECT_EQ(stats["fingerprint"].get<std::string>().size(), 64U);
  EXPECT_EQ(stats["embedder"], "sif");
  EXPECT_EQ(stats["model"], reference_model());
  ASSERT_EQ(stats["namespaces"].size(), 3U);
  EXPECT_EQ(stats["namespaces"][0]["name"], "books");
  EXPECT_EQ(stats["namespaces"][0]["tokens"], harbour_tokens_);
  EXPECT_EQ(stats["namespaces"][1]["dialogs"], 1);
  const ToolResult plain = run({"stats"});
  EXPECT_THAT(plain.out, AllOf(HasSubstr("documents:"), HasSubstr("layer 4, 2 heads of 8, bf16")));
}

TEST_F(BankTool, ListNamesDocumentsAndEscapesThem) {
  const json all = run_json({"list"});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0]["name"], "harbour.txt");
  EXPECT_EQ(all[0]["tokens"], harbour_tokens_);
  EXPECT_EQ(all[0]["complete"], true);
  EXPECT_EQ(all[2]["kind"], "dialog");
  EXPECT_EQ(run_json({"list", "--namespace", "books,chats"}).size(), 2U);
  EXPECT_EQ(run_json({"list", "--kind", "dialog"}).size(), 1U);
  EXPECT_EQ(run_json({"list", "--limit", "1"}).size(), 1U);
  const ToolResult plain = run({"list"});
  EXPECT_THAT(plain.out, AllOf(HasSubstr("harbour.txt\n"), HasSubstr("garden \\x1b[31m.txt")));
  EXPECT_THAT(plain.out, Not(HasSubstr("\x1b")));
}

TEST_F(BankTool, ShowGivesTextChunksAndTurns) {
  EXPECT_EQ(run({"show", "harbour.txt", "--text"}).out, std::string(kHarbour) + "\n");
  const json document = run_json({"show", "1"});
  EXPECT_EQ(document["name"], "harbour.txt");
  EXPECT_EQ(document["text"], kHarbour);
  ASSERT_EQ(static_cast<int64_t>(document["chunk_list"].size()),
            (harbour_tokens_ + BankMaker::kChunk - 1) / BankMaker::kChunk);
  EXPECT_EQ(document["chunk_list"][1]["position"], BankMaker::kChunk);
  EXPECT_EQ(document["chunk_list"][0]["hits"], 2);
  EXPECT_THAT(document["chunk_list"][0]["text"].get<std::string>(), HasSubstr("lighthouse"));
  const json dialog = run_json({"show", "diary"});
  ASSERT_EQ(dialog["turns"].size(), 2U);
  EXPECT_EQ(dialog["turns"][0]["content"], "My cat is called Tom.");
  const json chunk = run_json({"show", "chunk:1"});
  EXPECT_EQ(chunk["ids"].size(), static_cast<size_t>(BankMaker::kChunk));
  EXPECT_EQ(chunk["name"], "harbour.txt");
  EXPECT_THAT(run({"show", "chunk:1"}).out, HasSubstr("lighthouse keeper"));
  EXPECT_THAT(run({"show", "diary"}).out, HasSubstr("turns:"));
}

TEST_F(BankTool, SearchFindsTheChunkThatSpeaksOfIt) {
  const json hits = run_json({"search", "the keeper of the lighthouse lit the lamp", "--limit=2"});
  ASSERT_TRUE(hits.is_array());
  ASSERT_EQ(hits.size(), 2U);
  EXPECT_EQ(hits[0]["document"], 1);
  EXPECT_EQ(hits[0]["position"], 0);
  EXPECT_EQ(hits[0]["chunk"], 1);
  EXPECT_THAT(hits[0]["text"].get<std::string>(), HasSubstr("lighthouse"));
  EXPECT_GT(hits[0]["score"].get<double>(), hits[1]["score"].get<double>());
  EXPECT_LE(hits[0]["score"].get<double>(), 1.001);
  const json elsewhere = run_json({"search", "--namespace", "default", "the lamp"});
  ASSERT_FALSE(elsewhere.empty());
  for (const json& hit : elsewhere) EXPECT_EQ(hit["namespace"], "default");
  EXPECT_THAT(run({"search", "lighthouse lamp"}).out, HasSubstr("document 1  position 0"));
  const size_t all = run_json({"search", "lighthouse lamp", "--limit", "0"}).size();
  EXPECT_EQ(all, run_json({"stats"})["chunks"].get<size_t>()) << "0: all, as in list";
  EXPECT_EQ(run({"search", "stats"}).code, 0) << "a query may be spelled like a command";
}

TEST_F(BankTool, VerifyIsContent) {
  const json verdict = run_json({"verify"});
  EXPECT_EQ(verdict["ok"], true);
  EXPECT_EQ(verdict["bad"], json::array());
}

TEST_F(BankTool, RefusesInOneLine) {
  struct Case {
    std::vector<std::string> args;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"show", "nobody"}, 2, "the bank has no document 'nobody'"},
      {{"show", "chunk:999"}, 2, "the bank has no chunk 999"},
      {{"show", "chunk:x"}, 2, "'chunk:x' names no chunk"},
      {{"list", "--namespace", "none"}, 2, "the bank has no namespace 'none'"},
      {{"search", "--namespace", "none", "x"}, 2, "the bank has no namespace 'none'"},
      {{"search", " "}, 2, "the query is empty"},
      {{"search", "x", "--model", "/nowhere"}, 2, "--model: /nowhere: No such file"},
      {{"lsit"}, 2, "there is no command 'lsit'; did you mean list?"},
      {{"forget", "garden"}, 2, "'garden' is not a document's number; --name 'garden' forgets"},
      {{"forget", "--name", "nobody", "--yes"}, 2, "the bank has no document 'nobody'"},
      {{"forget"}, 2, "forget what?"},
      {{"forget", "99"}, 2, "the bank has no document 99"},
      {{"prune"}, 2, "prune needs a budget"},
      {{"prune", "--budget-bytes", "much"}, 2, "'much' is no size"},
      {{"import"}, 2, "--from is missing"},
      {{"import", "--from", "/nowhere"}, 2, "there is no bank in /nowhere"},
      {{"export", "--out", "/nowhere/x"}, 1, "cannot write /nowhere/x"}};
  for (const Case& each : cases) {
    const ToolResult result = run(each.args);
    EXPECT_EQ(result.code, each.code) << each.message << ": " << result.err;
    EXPECT_THAT(result.err,
                AllOf(testing::StartsWith("memlong-bank: error: "), HasSubstr(each.message)));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(BankTool, FullDiskIsAFailure) {
  const std::string err = *folder_ / "err";
  const std::string command = "'" + test::bin_dir() + "/memlong-bank' export --bank '" + bank() +
                              "' > /dev/full 2> '" + err + "'";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_THAT(slurp(err), HasSubstr("cannot write to standard output: No space left on device"));
}

TEST(BankToolUsage, HelpAndVersionNeedNoBank) {
  const ToolResult help = run_tool("memlong-bank", {"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("Commands:"));
  EXPECT_THAT(run_tool("memlong-bank", {"search", "-h"}).out, HasSubstr("QUERY"));
  EXPECT_THAT(run_tool("memlong-bank", {"--version"}).out, testing::StartsWith("memlong-bank "));
  const ToolResult missing = run_tool("memlong-bank", {"stats"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("--bank is missing"));
}

}  // namespace
}  // namespace memlong::tools_test
