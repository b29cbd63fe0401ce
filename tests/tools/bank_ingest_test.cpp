// memlong-bank on banks that memlong-ingest made.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;

std::string story() {
  std::string text;
  for (int i = 1; i <= 12; ++i) {
    text += "Chapter " + std::to_string(i) +
            ". The old captain walked down to the shore and counted the boats, and when he had "
            "counted them all he went home, lit his pipe, and spoke with his wife of the weather, "
            "of the price of herring, and of the son who had gone to sea.\n\n";
  }
  return text + "At last a letter came from Brazil, with a green stamp upon it.\n";
}

ToolResult ingest(const std::string& bank, std::vector<std::string> args) {
  args.insert(args.end(), {"--bank", bank, "--model", reference_model(), "--quiet"});
  ToolResult result = run_tool("memlong-ingest", args);
  EXPECT_EQ(result.code, 0) << result.err;
  return result;
}

json bank_json(const std::string& bank, std::vector<std::string> args) {
  args.insert(args.end(), {"--bank", bank, "--json"});
  const ToolResult result = run_tool("memlong-bank", args);
  EXPECT_EQ(result.code, 0) << result.err;
  return json::parse(result.out);
}

TEST(BankAndIngest, BothEmbeddersCanBeSearched) {
  const TempFolder folder;
  const std::string text = folder.write("story.txt", story());
  for (const std::string embedder : {"sif", "pooled"}) {
    const std::string bank = folder / embedder;
    ingest(bank, {text, "--embedder", embedder});
    EXPECT_EQ(bank_json(bank, {"stats"})["embedder"], embedder);
    const json document = bank_json(bank, {"show", "1"});
    const json& last = document["chunk_list"].back();  // the chapters before are much alike
    const json hits = bank_json(bank, {"search", last["text"], "--limit", "3"});
    ASSERT_EQ(hits.size(), 3U) << embedder;
    EXPECT_EQ(hits[0]["position"], last["position"]) << embedder << ": a chunk's own text finds it";
    EXPECT_GT(hits[0]["score"].get<double>(), 0.9) << embedder;
  }
}

TEST(BankAndIngest, AnExportIsReadAgain) {
  const TempFolder folder;
  const std::string bank = folder / "bank";
  ingest(bank, {folder.write("story.txt", story()), "--namespace", "books"});
  const std::string lines = folder / "out.jsonl";
  EXPECT_EQ(bank_json(bank, {"export", "--out", lines})["documents"], 1);
  const std::string again = folder / "again";
  ingest(again, {lines, "--jsonl-field", "text"});
  const json before = bank_json(bank, {"show", "1"});
  const json after = bank_json(again, {"show", "1"});
  for (const char* field : {"name", "namespace", "kind", "text", "tokens", "chunks"}) {
    EXPECT_EQ(after[field], before[field]) << field;
  }
  EXPECT_EQ(bank_json(again, {"stats"})["fingerprint"], bank_json(bank, {"stats"})["fingerprint"]);
}

TEST(BankAndIngest, AnotherModelIsRefused) {
  const TempFolder folder;
  const std::string bank = folder / "bank";
  ingest(bank, {folder.write("story.txt", story()), "--embedder", "pooled"});
  const std::string copy = folder / "model";
  std::filesystem::copy(reference_model(), copy, std::filesystem::copy_options::recursive);
  const std::string file = copy + "/config.json";
  std::string config = slurp(file);
  const size_t at = config.find("\"rms_norm_eps\"");
  ASSERT_NE(at, std::string::npos);
  const size_t value = config.find(':', at) + 1;
  config.replace(value, config.find_first_of(",\n}", value) - value, " 0.001");
  (void)folder.write("model/config.json", config);
  const ToolResult result =
      run_tool("memlong-bank", {"search", "boats", "--bank", bank, "--model", copy});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("the bank was written by another model"));
}

}  // namespace
}  // namespace memlong::tools_test
