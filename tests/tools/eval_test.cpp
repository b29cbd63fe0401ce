// memlong-eval as users run it, against golden values.
#include <algorithm>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "model/safetensors.h"
#include "support/golden.h"
#include "support/paths.h"
#include "tools/doctored_model.h"
#include "tools/run_tool.h"

namespace memlong {
namespace {

using nlohmann::json;

const std::string kData = test::data_dir();
const std::string kReference = test::source_dir() + "/models/reference";

std::vector<json> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

class EvalTool : public testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name, const std::string& content = {}) const {
    return content.empty() ? folder_ / name : folder_.write(name, content);
  }
  tools_test::TempFolder folder_;
};

TEST_F(EvalTool, LogitsAgreeWithGoldenValues) {
  const test::Golden golden("tiny-gqa");
  std::string ids;
  for (const int32_t id : golden.ids) ids += std::to_string(id) + "\n";
  const std::string out = file("out.safetensors");
  const auto run =
      tools_test::run_tool("memlong-eval", {"logits", "--model", golden.folder, "--dtype", "f32",
                                            "--memory-layer", std::to_string(golden.memory_layer),
                                            "--ids", file("ids", ids), "--out", out, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["tokens"], golden.ids.size());
  Context context;
  const model::SafetensorsFile got(out);
  for (const auto& [name, want] :
       std::map<std::string, std::string>{{"logits", "logits"},
                                          {"hidden.0", "hidden.0"},
                                          {"hidden.3", "hidden.3"},
                                          {"hidden.6", "hidden.6"},
                                          {"k_raw", "memory_layer.k_raw"},
                                          {"v", "memory_layer.v"}}) {
    EXPECT_LE(test::relative_error(context, got.get(name), golden.values.get(want)), 1e-5) << name;
  }
}

TEST_F(EvalTool, LogitsRefusesWhatIsNoId) {
  for (const char* ids : {"1 2 x", "1 97", "-1", " "}) {
    const auto run =
        tools_test::run_tool("memlong-eval", {"logits", "--model", kData + "/tiny-gqa", "--ids",
                                              file("ids", ids), "--out", file("out.safetensors")});
    EXPECT_EQ(run.code, 1) << ids;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

TEST_F(EvalTool, RecallAgreesWithGoldenRows) {
  for (const char* dtype : {"bf16", "f32"}) {
    const std::string rows = file("rows.jsonl");
    const auto run =
        tools_test::run_tool("memlong-eval", {"recall", "--model", kReference, "--dialogs",
                                              kData + "/recall/recall-2k.jsonl", "--rows", rows,
                                              "--json", "--dtype", dtype});
    ASSERT_EQ(run.code, 0) << run.err;
    const json result = json::parse(run.out);
    EXPECT_GE(result["exact"].get<double>(), 0.7);
    EXPECT_GE(result["retrieved"].get<double>(), 0.9);
    EXPECT_LE(result["exact"].get<double>(), result["contains"].get<double>());

    std::map<size_t, std::map<size_t, json>> ours;
    for (const json& row : read_lines(rows)) ours[row["dialog"]][row["turn"]] = row;
    size_t compared = 0;
    for (const json& want : read_lines(kData + "/recall/golden.jsonl")) {
      const json& got = ours.at(want["dialog"]).at(want["turn"]);
      for (const char* key : {"tokens", "window_start", "answer_start", "answer_end", "retrieved",
                              "wanted_ids", "argmax"}) {
        EXPECT_EQ(got[key], want[key]) << key << " of turn " << want["turn"];
      }
      EXPECT_NEAR(got["log_probability"].get<double>(), want["log_probability"].get<double>(), 0.2);
      ++compared;
    }
    EXPECT_EQ(compared, 20U);
  }
}

TEST_F(EvalTool, TheBestChunkBringsThoseBesideIt) {
  const std::string rows = file("rows.jsonl");
  const auto run =
      tools_test::run_tool("memlong-eval", {"recall", "--model", kReference, "--dialogs",
                                            kData + "/recall/recall-2k.jsonl", "--neighbours", "1",
                                            "--top-k", "3", "--rows", rows, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  size_t threes = 0;
  for (const json& row : read_lines(rows)) {
    const auto chunks = row["retrieved"].get<std::vector<int64_t>>();
    ASSERT_EQ(chunks.size(), 3U);
    const auto scores = row["scores"].get<std::vector<double>>();
    const auto best =
        static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    const bool inner = chunks[best] > 0 && (chunks[best] + 2) * 64 <= row["window_start"];
    if (!inner) continue;
    EXPECT_EQ(best, 1U);
    EXPECT_EQ(chunks[2] - chunks[0], 2) << row;
    ++threes;
  }
  EXPECT_GE(threes, 15U);
}

TEST_F(EvalTool, WithoutMemoryLittleIsKnown) {
  const auto run = tools_test::run_tool(
      "memlong-eval", {"recall", "--model", kReference, "--dialogs",
                       kData + "/recall/recall-2k.jsonl", "--no-memory", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_LE(json::parse(run.out)["exact"].get<double>(), 0.4);
}

TEST_F(EvalTool, SessionProtocolReadsFromStartToEnd) {
  const auto run = tools_test::run_tool(
      "memlong-eval", {"recall", "--model", kReference, "--dialogs",
                       kData + "/recall/recall-2k.jsonl", "--protocol", "session", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json result = json::parse(run.out);
  EXPECT_GE(result["exact"].get<double>(), 0.65);
  EXPECT_EQ(result["protocol"], "session");
}

TEST_F(EvalTool, PerplexityOfTheSameTokensForEveryLength) {
  std::ifstream novel(test::source_dir() + "/examples/novel.txt");
  std::string text(60000, ' ');
  novel.read(text.data(), static_cast<std::streamsize>(text.size()));
  const auto run = tools_test::run_tool(
      "memlong-eval", {"ppl", "--model", kReference, "--text", file("novel.txt", text), "--lengths",
                       "512,2048,all", "--window", "512", "--overlap", "128", "--memory",
                       "on,off,random", "--places", "2", "--json", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json rows = json::parse(run.out)["rows"];
  ASSERT_EQ(rows.size(), 9U);
  std::map<std::pair<std::string, std::string>, double> ppl;
  for (const json& row : rows) {
    EXPECT_EQ(row["tokens"], 512) << "two places of 256 tokens";
    EXPECT_EQ(row["windows"], 2);
    EXPECT_EQ(row["query"], "past");
    EXPECT_GT(row["ppl"].get<double>(), 10.0);
    EXPECT_LT(row["ppl"].get<double>(), 300.0);
    EXPECT_TRUE(row["gain"].is_number());
    EXPECT_TRUE(row["gain_error"].is_null()) << "one text has no spread";
    ppl[{row["context"].dump(), row["memory"]}] = row["ppl"];
  }
  // Without memory only the window counts; at the window's own length there is nothing to remember.
  EXPECT_EQ((ppl[{"2048", "off"}]), (ppl[{"512", "off"}]));
  EXPECT_EQ((ppl[{"512", "on"}]), (ppl[{"512", "off"}]));
  EXPECT_NE((ppl[{"2048", "on"}]), (ppl[{"2048", "off"}]));
  EXPECT_NE((ppl[{"\"all\"", "on"}]), (ppl[{"\"all\"", "random"}]));
}

/// Without sif.safetensors: what a session gets, and not what the scored text would give.
TEST_F(EvalTool, AModelThatDoesNotKnowItsLanguageFindsMostFactsAllTheSame) {
  const std::string model =
      tools_test::doctored_model(folder_, {{"sif.safetensors", std::nullopt}});
  for (const std::string& folder : {model, kReference}) {
    const auto run = tools_test::run_tool(
        "memlong-eval",
        {"recall", "--model", folder, "--dialogs", kData + "/recall-held/held-wordings-8k.jsonl",
         "--protocol", "session", "--limit", "1", "--json", "--quiet"});
    ASSERT_EQ(run.code, 0) << run.err;
    const json result = json::parse(run.out);
    EXPECT_EQ(result["embedder"], folder == model ? "sif (tokenizer)" : "sif (sif.safetensors)");
    EXPECT_GE(result["retrieved"].get<double>(), folder == model ? 0.65 : 0.9);
  }
}

TEST_F(EvalTool, SelfQueriesAreCalledWhatTheyAre) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "It was a dark and stormy night in the town. ";
  const auto run = tools_test::run_tool(
      "memlong-eval", {"ppl", "--model", kReference, "--text", file("t.txt", text), "--lengths",
                       "2048", "--memory", "on", "--query", "self", "--places", "1", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["rows"][0]["query"], "self");
  EXPECT_NE(run.err.find("see the future"), std::string::npos);
}

TEST_F(EvalTool, BadArgumentsAreNamed) {
  const std::vector<std::pair<std::vector<std::string>, int>> cases = {
      {{"ppl", "--model", kReference, "--text", file("x", "x"), "--lengths", "12,zz"}, 2},
      {{"ppl", "--model", kReference, "--text", file("x", "x"), "--memory", "maybe"}, 2},
      {{"ppl", "--model", kReference, "--text", "/nowhere"}, 2},
      {{"ppl", "--model", "/nowhere", "--text", file("x", "x")}, 2},
      {{"recall", "--model", kReference, "--dialogs", "/nowhere"}, 2},
      {{"recall", "--model", kReference, "--dialogs", file("bad.jsonl", "{\"turns\": 3}\n")}, 1},
      {{}, 2}};
  for (const auto& [arguments, code] : cases) {
    const auto run = tools_test::run_tool("memlong-eval", arguments);
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_NE(run.err.find("memlong-eval: error:"), std::string::npos) << run.err;
  }
  const std::string x = file("x", "x");
  for (const std::vector<std::string>& without_model :
       {std::vector<std::string>{"ppl", "--text", x},
        {"recall", "--dialogs", x},
        {"logits", "--ids", x, "--out", file("o")}}) {
    const auto run = tools_test::run_tool("memlong-eval", without_model);
    EXPECT_EQ(run.code, 2);
    EXPECT_NE(run.err.find("error: --model DIR is missing"), std::string::npos) << run.err;
  }
}

}  // namespace
}  // namespace memlong
