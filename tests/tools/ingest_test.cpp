#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "membank/bank.h"
#include "support/paths.h"
#include "tools/bank_difference.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;

constexpr const char* kText = "The farmer walked to the market.\nHe sold a horse.\n";

class IngestTool : public testing::Test {
 protected:
  ToolResult ingest(std::vector<std::string> more, const std::string& input = {}) {
    std::vector<std::string> words = {"--model", reference_model(), "--bank", bank()};
    words.insert(words.end(), more.begin(), more.end());
    return run_tool("memlong-ingest", words, input);
  }

  /// The same with --json, parsed; expects the exit code.
  json totals(std::vector<std::string> more, int code = 0, const std::string& input = {}) {
    more.emplace_back("--json");
    const ToolResult result = ingest(std::move(more), input);
    EXPECT_EQ(result.code, code) << result.err;
    errors_ = result.err;
    return json::parse(result.out, nullptr, false);
  }

  [[nodiscard]] std::string bank() const { return folder_ / "bank"; }

  [[nodiscard]] std::vector<membank::Document> documents() const {
    return open()->snapshot()->documents();
  }

  [[nodiscard]] std::unique_ptr<membank::Bank> open() const {
    return membank::Bank::open(bank(),
                               {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
  }

  TempFolder folder_;
  std::string errors_;
};

TEST_F(IngestTool, ReadsTextOnce) {
  const std::string file = folder_.write("story.txt", kText);
  const json first = totals({file});
  EXPECT_EQ(first["documents_new"], 1);
  EXPECT_EQ(first["documents_known"], 0);
  EXPECT_EQ(first["documents_failed"], 0);
  EXPECT_EQ(first["chunks"], 1);
  EXPECT_GT(first["tokens"], 8);
  EXPECT_GT(first["tokens_per_second"], 0.0);
  EXPECT_GT(first["bank_bytes"], 0);
  const json second = totals({file, folder_.write("same.md", kText)});
  EXPECT_EQ(second["documents_new"], 0);
  EXPECT_EQ(second["documents_known"], 2);
  EXPECT_EQ(second["chunks"], 0);
  EXPECT_EQ(totals({"--namespace", "other", file})["documents_new"], 1);
}

TEST_F(IngestTool, KeepsTextTokensAndNames) {
  const std::string file = folder_.write("dos.txt", "\xEF\xBB\xBFline one\r\nline two\r\n");
  totals({file, "--namespace", "notes"});
  const auto all = documents();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, file);
  EXPECT_EQ(all[0].name_space, "notes");
  EXPECT_TRUE(all[0].complete);
  const auto bank = open();
  const auto snapshot = bank->snapshot();
  EXPECT_EQ(snapshot->text(all[0].id), "line one\r\nline two\r\n");
  const auto chunks = snapshot->document_chunks(all[0].id);
  ASSERT_EQ(chunks.size(), 1U);
  const std::vector<int32_t> ids = snapshot->chunk_tokens(chunks[0].id);
  EXPECT_EQ(ids.at(0), 1) << "a document opens with <s>";
  EXPECT_EQ(all[0].tokens, static_cast<int64_t>(ids.size()));
  EXPECT_FALSE(snapshot->blob("sif").empty());
  EXPECT_EQ(snapshot->blob("model"), reference_model());
}

TEST_F(IngestTool, ReadsJsonLines) {
  const std::string file = folder_.write(
      "rows.jsonl",
      "{\"text\": \"one\", \"name\": \"first\"}\n\nnot json\n{\"text\": 5}\n"
      "{\"turns\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", "
      "\"content\": \"hello\"}], \"namespace\": \"talks\"}\n{\"other\": \"x\"}\n{\"text\": "
      "\"one\"}\n");
  const json result = totals({file}, 1);
  EXPECT_EQ(result["documents_new"], 2);
  EXPECT_EQ(result["documents_known"], 1);
  EXPECT_EQ(result["documents_failed"], 3);
  EXPECT_NE(errors_.find("rows.jsonl:3: not JSON"), std::string::npos) << errors_;
  EXPECT_NE(errors_.find("rows.jsonl:4: field \"text\" is not a string"), std::string::npos);
  EXPECT_NE(errors_.find("rows.jsonl:6: no field \"text\""), std::string::npos);
  const auto all = documents();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "first");
  EXPECT_EQ(all[1].name, file + ":5");
  EXPECT_EQ(all[1].name_space, "talks");
  EXPECT_EQ(open()->snapshot()->text(all[1].id), "user: hi\nassistant: hello\n");
  const std::string other = folder_.write("other.ndjson", "{\"body\": \"two\", \"id\": 7}\n");
  totals({"--jsonl-field", "body", "--jsonl-name", "id", other});
  EXPECT_EQ(documents().back().name, "7");
}

TEST_F(IngestTool, ReadsStandardInput) {
  EXPECT_EQ(totals({"-", "--name", "letter"}, 0, kText)["documents_new"], 1);
  EXPECT_EQ(documents().at(0).name, "letter");
  EXPECT_EQ(totals({"-", "--jsonl"}, 0, "{\"text\": \"row\"}\n")["documents_new"], 1);
  EXPECT_EQ(documents().at(1).name, "standard-input:1");
}

TEST_F(IngestTool, TakesTheGoodAndNamesTheBad) {
  const std::string bad = folder_.write("in/bad.txt", "abc\xFFxyz");
  (void)folder_.write("in/binary.txt", std::string("ab\0cd", 5));
  (void)folder_.write("in/empty.txt", "");
  (void)folder_.write("in/good.txt", kText);
  const json result = totals({folder_ / "in", folder_ / "missing.txt"}, 1);
  EXPECT_EQ(result["documents_new"], 1);
  EXPECT_EQ(result["documents_failed"], 4);
  EXPECT_NE(errors_.find("bad.txt: not UTF-8: byte 3"), std::string::npos) << errors_;
  EXPECT_NE(errors_.find("binary.txt: a binary file: byte 2"), std::string::npos) << errors_;
  EXPECT_NE(errors_.find("empty.txt: empty"), std::string::npos) << errors_;
  EXPECT_NE(errors_.find("missing.txt: "), std::string::npos) << errors_;
}

TEST_F(IngestTool, LeavesNoBankWhereNothingCouldBeRead) {
  const std::string bad = folder_.write("bad.txt", "abc\xFFxyz");
  for (const std::string& path : {folder_ / "missing.txt", bad}) {
    EXPECT_EQ(totals({path}, 1)["documents_failed"], 1);
    EXPECT_FALSE(std::filesystem::exists(bank())) << path;
    EXPECT_NE(errors_.find("nothing could be read: bank " + bank() + " was not made"),
              std::string::npos)
        << errors_;
  }
  std::filesystem::create_directory(bank());
  totals({bad}, 1);
  EXPECT_TRUE(std::filesystem::is_empty(bank())) << "the folder was there";
  totals({folder_.write("story.txt", kText)});
  totals({bad}, 1);
  EXPECT_EQ(documents().size(), 1U) << "a bank that was there stays";
}

TEST_F(IngestTool, TakesTheModelOfTheBank) {
  const std::string model = folder_ / "model";
  std::filesystem::create_directory_symlink(reference_model(), model);
  const auto ingest_into = [&](const std::string& file, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--bank", bank(), file, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_tool("memlong-ingest", words);
  };
  const std::string first = folder_.write("first.txt", kText);
  const ToolResult unknown = ingest_into(first);
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("--model DIR is missing"), std::string::npos) << unknown.err;
  EXPECT_EQ(ingest_into(first, {"--model", model}).code, 0);
  const ToolResult second = ingest_into(folder_.write("second.txt", "Another tale.\n"));
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(json::parse(second.out)["documents_new"], 1);
  std::filesystem::remove(model);
  const std::string says = "the model of bank " + bank() + " is no longer in " + model +
                           "; give its folder with --model DIR";
  for (const ToolResult& gone :
       {ingest_into(first), run_tool("memlong-chat", {"--bank", bank(), "--prompt", "Hi"}),
        run_tool("memlong-bank", {"search", "tale", "--bank", bank()})}) {
    EXPECT_EQ(gone.code, 2);
    EXPECT_NE(gone.err.find(says), std::string::npos) << gone.err;
  }
}

TEST_F(IngestTool, ReplacesByName) {
  const std::string file = folder_.write("story.txt", kText);
  totals({file});
  (void)folder_.write("story.txt", "Another tale.\n");
  EXPECT_EQ(totals({file})["documents_replaced"], 0);
  EXPECT_EQ(documents().size(), 2U);
  (void)folder_.write("story.txt", "A third tale.\n");
  const json result = totals({file, "--replace"});
  EXPECT_EQ(result["documents_new"], 1);
  EXPECT_EQ(result["documents_replaced"], 2);
  const auto all = documents();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(open()->snapshot()->text(all[0].id), "A third tale.\n");
}

TEST_F(IngestTool, TwoFilesThatBecomeTheSameTextLeaveNoOldOne) {
  const std::string one = folder_.write("one.txt", kText);
  const std::string two = folder_.write("two.txt", "Another tale.\n");
  totals({one, two});
  (void)folder_.write("one.txt", "The same tale.\n");
  (void)folder_.write("two.txt", "The same tale.\n");
  const json result = totals({one, two, "--replace"});
  EXPECT_EQ(result["documents_new"], 1);
  EXPECT_EQ(result["documents_known"], 1);
  EXPECT_EQ(result["documents_replaced"], 2);
  const auto all = documents();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(open()->snapshot()->text(all[0].id), "The same tale.\n");
}

TEST_F(IngestTool, DryRunChangesNothing) {
  const std::string file = folder_.write("story.txt", kText);
  const ToolResult before = ingest({file, "--dry-run"});
  EXPECT_EQ(before.code, 0) << before.err;
  EXPECT_NE(before.out.find("new  " + file), std::string::npos) << before.out;
  EXPECT_FALSE(std::filesystem::exists(bank()));
  totals({file});
  const json after = totals({file, "--dry-run"});
  EXPECT_EQ(after["documents_known"], 1);
  EXPECT_EQ(after["documents"][0]["outcome"], "known");
}

TEST_F(IngestTool, KeepsABudget) {
  const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
  const std::string file = folder_.write("part.txt", novel.substr(0, 20000));
  const json result = totals({file, "--retain", "fifo", "--budget-chunks", "40", "--commit-chunks",
                              "16", "--commit-bytes", "64MiB"});
  EXPECT_GT(result["chunks"], 60);
  EXPECT_GT(result["chunks_pruned"], 0);
  EXPECT_LE(result["bank_chunks"], 40);
  EXPECT_EQ(result["chunks"].get<int>() - result["chunks_pruned"].get<int>(),
            result["bank_chunks"].get<int>());
}

TEST_F(IngestTool, DoesNotDependOnTheAdapterOrOnCommits) {
  const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
  const std::string file = folder_.write("part.txt", novel.substr(0, 30000));
  totals({file});
  const ToolResult other =
      run_tool("memlong-ingest", {"--model", reference_model(), "--adapter", "none", "--bank",
                                  folder_ / "other", "--commit-chunks", "7", file});
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(bank_difference(bank(), folder_ / "other"), "");
}

TEST_F(IngestTool, ReadsManyWindowsAtOnce) {
  std::vector<std::string> files;
  for (int i = 0; i < 5; ++i) {
    std::string text;
    for (int line = 0; line < 30 * i + 1; ++line) text += kText;
    files.push_back(folder_.write("story" + std::to_string(i) + ".txt", text));
  }
  std::vector<std::string> words = files;
  words.insert(words.end(), {"--windows", "3"});
  const json together = totals(words);
  EXPECT_EQ(together["documents_new"], 5);
  const json again = totals(files);
  EXPECT_EQ(again["documents_known"], 5);
  const auto stored = documents();
  ASSERT_EQ(stored.size(), 5U);
  int64_t chunks = 0;
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored[i].name, files[i]);
    EXPECT_TRUE(stored[i].complete);
    chunks += stored[i].chunks;
  }
  EXPECT_EQ(together["chunks"], chunks);
  EXPECT_EQ(ingest({files[0], "--windows", "0"}).code, 2);
}

TEST_F(IngestTool, MakesWhatSifNeedsWhenTheModelDoesNotSay) {
  const std::string model = folder_ / "model";
  std::filesystem::create_directory(model);
  for (const auto& entry : std::filesystem::directory_iterator(reference_model())) {
    const std::string name = entry.path().filename().string();
    if (name != "sif.safetensors") {
      std::filesystem::create_symlink(entry.path(), model + "/" + name);
    }
  }
  const std::string file = folder_.write("story.txt", kText);
  const auto into = [&](const std::string& name, const std::vector<std::string>& files) {
    std::vector<std::string> words = {"--model", model, "--bank", folder_ / name};
    words.insert(words.end(), files.begin(), files.end());
    const ToolResult result = run_tool("memlong-ingest", words);
    EXPECT_EQ(result.code, 0) << result.err;
  };
  const std::string second = folder_.write("zebra.txt", "A second text.\n");
  into("a", {file, second});
  into("b", {file, second});
  EXPECT_EQ(bank_difference(folder_ / "a", folder_ / "b"), "");
  into("c", {file});
  into("c", {second});
  const auto blob = [&](const std::string& name) {
    return membank::Bank::open(folder_ / name,
                               {.mode = membank::OpenMode::read, .fingerprint = std::nullopt})
        ->snapshot()
        ->blob("sif");
  };
  EXPECT_FALSE(blob("c").empty());
  EXPECT_TRUE(blob("c") == blob("a")) << "so little text says less than the tokenizer";
}

TEST_F(IngestTool, RefusesWhatCannotBeMeant) {
  const std::string file = folder_.write("story.txt", kText);
  EXPECT_EQ(ingest({}).code, 2);
  EXPECT_EQ(run_tool("memlong-ingest", {"--bank", bank(), file}).code, 2);
  EXPECT_EQ(ingest({file, "--budget-chunks", "5"}).code, 2);
  EXPECT_EQ(ingest({file, "--retain", "lru"}).code, 2);
  EXPECT_EQ(ingest({file, "--name", "letter"}).code, 2) << "nothing comes from standard input";
  EXPECT_EQ(ingest({file, "--jsonl"}).code, 2);
  EXPECT_EQ(ingest({file, "--commit-bytes", "64 apples"}).code, 2);
  totals({file, "--kv-dtype", "f32"});
  EXPECT_EQ(totals({file})["documents_known"], 1) << "the bank's own dtype";
  const ToolResult other = ingest({file, "--kv-dtype", "f16"});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("f16"), std::string::npos) << other.err;
  EXPECT_EQ(ingest({file, "--chunk", "32"}).code, 1) << "another fingerprint";
}

}  // namespace
}  // namespace memlong::tools_test
