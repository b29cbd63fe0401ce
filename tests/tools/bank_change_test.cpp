// memlong-bank, run as a user runs it: changing, copying, damage.
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tools/made_bank.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json run_json(const std::string& bank, std::vector<std::string> args, int code = 0) {
  args.insert(args.end(), {"--bank", bank, "--json"});
  const ToolResult result = run_tool("memlong-bank", args);
  EXPECT_EQ(result.code, code) << result.err;
  return json::parse(result.out);
}

std::string long_text(int sentences) {
  std::string text;
  for (int i = 0; i < sentences; ++i) {
    text += "On day " + std::to_string(i) + " the ship sailed on towards the southern islands. ";
  }
  return text;
}

class BankToolChange : public testing::Test {
 protected:
  BankToolChange() : bank_(folder_ / "bank") {
    BankMaker maker(bank_);
    maker.add_text("ship.txt", long_text(20), "books");
    maker.add_text("log.txt", "Nothing happened today, and nothing is expected for tomorrow.");
    maker.add_dialog("diary", {{.role = "user", .content = "Hello!"}});
  }
  TempFolder folder_;
  std::string bank_;
};

TEST_F(BankToolChange, ForgetRemovesADocumentFromEverywhere) {
  const json before = run_json(bank_, {"stats"});
  const json dry = run_json(bank_, {"forget", "1", "--dry-run"});
  EXPECT_EQ(run_json(bank_, {"stats"})["documents"], 3);
  const json removed = run_json(bank_, {"forget", "1", "--yes"});
  EXPECT_EQ(removed["documents"], 1);
  EXPECT_EQ(removed["forgotten"][0]["name"], "ship.txt");
  EXPECT_EQ(dry["chunks"], removed["chunks"]);
  EXPECT_EQ(dry["tokens"], removed["tokens"]);
  const json after = run_json(bank_, {"stats"});
  EXPECT_EQ(after["documents"], 2);
  EXPECT_EQ(after["chunks"].get<int>(), before["chunks"].get<int>() - removed["chunks"].get<int>());
  for (const json& hit : run_json(bank_, {"search", "the ship sailed"})) {
    EXPECT_NE(hit["document"], 1);
  }
  EXPECT_EQ(run_json(bank_, {"verify"})["ok"], true);
}

TEST_F(BankToolChange, ForgetByNameAndNamespace) {
  EXPECT_EQ(run_json(bank_, {"forget", "--yes", "--name", "log.txt"})["documents"], 1);
  EXPECT_EQ(run_json(bank_, {"forget", "--yes", "--namespace", "books"})["documents"], 1);
  EXPECT_EQ(run_json(bank_, {"forget", "--yes", "--namespace", "books"})["documents"], 0);
  const ToolResult gone =
      run_tool("memlong-bank", {"forget", "--yes", "--name", "log.txt", "--bank", bank_});
  EXPECT_EQ(gone.code, 2);
  EXPECT_THAT(gone.err, HasSubstr("the bank has no document 'log.txt' to forget"));
  EXPECT_EQ(run_json(bank_, {"list"}).size(), 1U);
}

/// Whoever is not asked must have said yes: an answer in a pipe is none.
TEST_F(BankToolChange, NothingIsRemovedUnasked) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"forget", "1"}, {"prune", "--budget-chunks", "1"}}) {
    for (const std::string answer : {"", "n\n", "y\n"}) {
      std::vector<std::string> args = words;
      args.insert(args.end(), {"--bank", bank_});
      const ToolResult refused = run_tool("memlong-bank", args, answer);
      EXPECT_EQ(refused.code, 2);
      EXPECT_EQ(refused.err, "memlong-bank: error: " + words[0] +
                                 ": standard input is not a terminal: add --yes\n");
      EXPECT_EQ(refused.out, "");
    }
  }
  EXPECT_EQ(run_json(bank_, {"stats"})["documents"], 3);
  EXPECT_EQ(run_json(bank_, {"prune", "--budget-chunks", "1000"})["chunks"], 0)
      << "nothing to ask about";
}

TEST_F(BankToolChange, ADocumentIsFoundByTheEndOfItsPath) {
  {
    BankMaker maker(folder_ / "paths");
    maker.add_text("novels/emma.txt", "Emma Woodhouse, handsome, clever, and rich.");
    maker.add_text("novels/persuasion.txt", "Sir Walter Elliot, of Kellynch Hall.");
    maker.add_text("plays/persuasion.txt", "A play.", "plays");
  }
  const std::string bank = folder_ / "paths";
  EXPECT_EQ(run_json(bank, {"show", "emma.txt"})["name"], "novels/emma.txt");
  EXPECT_EQ(run_json(bank, {"show", "persuasion.txt", "--namespace", "plays"})["document"], 3);
  const ToolResult several = run_tool("memlong-bank", {"show", "persuasion.txt", "--bank", bank});
  EXPECT_EQ(several.code, 2);
  EXPECT_THAT(several.err, HasSubstr("several documents are named 'persuasion.txt': 2 (default: "
                                     "novels/persuasion.txt), 3 (plays: plays/persuasion.txt)"));
  EXPECT_EQ(run_tool("memlong-bank", {"show", "mma.txt", "--bank", bank}).code, 2);
}

TEST_F(BankToolChange, TokensOfAnUnfinishedChunkAreCounted) {
  const std::string bank = folder_ / "short";
  { BankMaker(bank).add_dialog("diary", {{.role = "user", .content = "Hello!"}}); }
  const json stats = run_json(bank, {"stats"});
  EXPECT_EQ(stats["tokens"], 0);
  EXPECT_EQ(stats["document_tokens"], stats["namespaces"][0]["tokens"]);
  EXPECT_GT(stats["document_tokens"], 0);
  const std::string plain = run_tool("memlong-bank", {"stats", "--bank", bank}).out;
  EXPECT_THAT(plain, HasSubstr(stats["document_tokens"].dump() + ", 0 of them in chunks\n"));
}

TEST_F(BankToolChange, ForgettingAgainWhatIsGoneDoesTheRest) {
  run_json(bank_, {"forget", "--yes", "1"});
  const ToolResult again = run_tool("memlong-bank", {"forget", "--yes", "1", "3", "--bank", bank_});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("document 1 is gone already"));
  EXPECT_THAT(again.out, HasSubstr("forgot 1 document, "));
  EXPECT_EQ(run_json(bank_, {"forget", "1", "3"})["documents"], 0);
  EXPECT_EQ(run_tool("memlong-bank", {"forget", "0", "--bank", bank_}).code, 2);
  EXPECT_EQ(run_json(bank_, {"list"}).size(), 1U);
}

TEST_F(BankToolChange, PruneStopsAtHalfOfTheBudget) {
  const int chunks = run_json(bank_, {"stats"})["chunks"];
  ASSERT_GT(chunks, 12);
  EXPECT_EQ(run_json(bank_, {"prune", "--budget-chunks", "1000"})["chunks"], 0);
  EXPECT_EQ(run_json(bank_, {"prune", "--budget-bytes", "2GiB"})["chunks"], 0);
  const json dry = run_json(bank_, {"prune", "--budget-chunks", "10", "--dry-run"});
  EXPECT_EQ(dry["chunks_left"], 5);
  EXPECT_EQ(run_json(bank_, {"stats"})["chunks"], chunks);
  const json pruned = run_json(bank_, {"prune", "--budget-chunks", "10", "--policy", "fifo", "-y"});
  EXPECT_EQ(pruned["chunks"], chunks - 5);
  EXPECT_EQ(pruned["chunks_left"], 5);
  EXPECT_EQ(run_json(bank_, {"stats"})["chunks"], 5);
}

TEST_F(BankToolChange, CompactShrinksTheFile) {
  run_json(bank_, {"forget", "--yes", "1"});
  const json sizes = run_json(bank_, {"compact"});
  EXPECT_LT(sizes["bytes"].get<int64_t>(), sizes["bytes_before"].get<int64_t>());
  EXPECT_EQ(run_json(bank_, {"verify"})["ok"], true);
  EXPECT_EQ(run_json(bank_, {"list"}).size(), 2U);
}

TEST_F(BankToolChange, ExportWritesJsonLines) {
  const std::string file = folder_ / "out.jsonl";
  EXPECT_EQ(run_json(bank_, {"export", "--out", file})["documents"], 3);
  const ToolResult piped = run_tool("memlong-bank", {"export", "--bank", bank_});
  EXPECT_EQ(piped.out, slurp(file));
  std::istringstream lines(piped.out);
  std::vector<json> records;
  for (std::string line; std::getline(lines, line);) records.push_back(json::parse(line));
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0]["text"], long_text(20));
  EXPECT_EQ(records[0]["name"], "ship.txt");
  EXPECT_EQ(records[0]["namespace"], "books");
  EXPECT_EQ(records[0]["kind"], "text");
  EXPECT_THAT(records[0]["created"].get<std::string>(), testing::EndsWith("Z"));
  EXPECT_EQ(records[2]["turns"][0]["content"], "Hello!");
  EXPECT_THAT(records[2]["text"].get<std::string>(), HasSubstr("user: Hello!"));
  EXPECT_FALSE(std::filesystem::exists(file + ".part"));
}

TEST_F(BankToolChange, KvMovesBetweenBanksWithoutEncoding) {
  const std::string copy = folder_ / "copy";
  const json first = run_json(bank_, {"export", "--kv", copy, "--namespace", "books"});
  EXPECT_EQ(first["documents"], 1);
  EXPECT_EQ(run_json(copy, {"list"})[0]["name"], "ship.txt");
  const json second = run_json(copy, {"import", "--from", bank_});
  EXPECT_EQ(second["documents"], 2);
  EXPECT_EQ(second["skipped"], 1);
  const json old_stats = run_json(bank_, {"stats"});
  const json new_stats = run_json(copy, {"stats"});
  for (const char* field : {"documents", "chunks", "tokens", "fingerprint", "model"}) {
    EXPECT_EQ(new_stats[field], old_stats[field]) << field;
  }
  const auto shown = [](const std::string& bank) {
    return run_tool("memlong-bank", {"search", "the ship", "--json", "--bank", bank}).out;
  };
  EXPECT_EQ(json::parse(shown(copy))[0]["text"], json::parse(shown(bank_))[0]["text"]);
  const ToolResult same =
      run_tool("memlong-bank", {"import", "--from", bank_, "--bank", bank_ + "/."});
  EXPECT_EQ(same.code, 2);
  EXPECT_THAT(same.err, HasSubstr("both banks are the same"));
}

/// Turns over the first byte of a pattern in the bank's data, wherever it stands.
void damage(const std::string& bank, const std::string& pattern) {
  const std::string content = slurp(bank + "/data.mdb");
  std::fstream stream(bank + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
  size_t at = content.find(pattern);
  ASSERT_NE(at, std::string::npos);
  for (; at != std::string::npos; at = content.find(pattern, at + 1)) {
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(~content[at]));
  }
}

TEST_F(BankToolChange, KvLeavesOutWhatIsDamagedAndNamesIt) {
  damage(bank_, "On day 3 the ship");
  const std::string copy = folder_ / "copy";
  const ToolResult result =
      run_tool("memlong-bank", {"export", "--bank", bank_, "--kv", copy, "--json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("document 1 'ship.txt' in namespace 'books' is not copied: "
                                    "record 1/0 of database texts is damaged"));
  const json totals = json::parse(result.out);
  EXPECT_EQ(totals["documents"], 2);
  ASSERT_EQ(totals["left_out"].size(), 1U);
  EXPECT_EQ(totals["left_out"][0]["document"], 1);
  EXPECT_EQ(totals["left_out"][0]["name"], "ship.txt");
  EXPECT_EQ(run_json(copy, {"list"}).size(), 2U);
  EXPECT_EQ(run_json(copy, {"verify"})["ok"], true);
}

TEST_F(BankToolChange, ShowNamesTheDocumentOfADamagedChunk) {
  const auto ids = run_json(bank_, {"show", "chunk:2"})["ids"].get<std::vector<int32_t>>();
  damage(bank_, {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
  const ToolResult shown = run_tool("memlong-bank", {"show", "chunk:2", "--bank", bank_});
  EXPECT_EQ(shown.code, 1);
  EXPECT_THAT(shown.err, HasSubstr("record 2 of database chunks is damaged"));
  EXPECT_THAT(shown.err, HasSubstr("it is of document 1"));
  const json verdict = run_json(bank_, {"verify"}, 1);
  EXPECT_EQ(verdict["bad"][0]["what"], "checksum does not match (a chunk of document 1)");
}

TEST_F(BankToolChange, VerifyNamesDamage) {
  std::string file;
  for (const auto& entry : std::filesystem::directory_iterator(bank_)) {
    if (entry.file_size() > 16384) file = entry.path();
  }
  ASSERT_FALSE(file.empty());
  const std::string content = slurp(file);
  const size_t at = content.find("On day 3 the ship");
  ASSERT_NE(at, std::string::npos);
  {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    for (size_t i = at; i != std::string::npos; i = content.find("On day 3 the ship", i + 1)) {
      stream.seekp(static_cast<std::streamoff>(i));
      stream << "In";
    }
  }
  const json verdict = run_json(bank_, {"verify"}, 1);
  EXPECT_EQ(verdict["ok"], false);
  ASSERT_FALSE(verdict["bad"].empty());
  EXPECT_EQ(verdict["bad"][0]["what"], "checksum does not match");
  const ToolResult shown = run_tool("memlong-bank", {"show", "1", "--text", "--bank", bank_});
  EXPECT_EQ(shown.code, 1);
  EXPECT_EQ(shown.out, "");
}

}  // namespace
}  // namespace memlong::tools_test
