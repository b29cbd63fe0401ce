// What memlong-train leaves behind, and what it leaves alone.
#include "tools/doctored_model.h"
#include "tools/train_tool.h"

namespace memlong::tools_test {
namespace {

class TrainArtifact : public TrainTool {
 protected:
  [[nodiscard]] ToolResult exported(const std::string& run, const std::string& out,
                                    std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"export", "--run", folder_ / run, "--out", folder_ / out});
    return run_tool("memlong-train", more);
  }
  void write(const fs::path& file, const std::string& content) const {
    std::ofstream(file, std::ios::binary) << content;
  }
};

TEST_F(TrainArtifact, StreamsGoOnWithTheSameSifOnly) {
  const std::string model = doctored_model(folder_, {});
  const std::vector<std::string> more = {"--steps", "1", "--quiet", "--model", model};
  ASSERT_EQ(train("streams", "upper", more).code, 0);
  ASSERT_EQ(
      train("plain", "upper", {"--steps", "1", "--quiet", "--model", model, "--form", "plain"})
          .code,
      0);
  ASSERT_EQ(
      run_tool("memlong-train", {"sif", "--model", model, "--data", "text:" + folder_ / "texts",
                                 "--tokens", "5000", "--in-place"})
          .code,
      0);
  expect_error(train("streams", "upper", more), 1, "holds another run (sif \"");
  EXPECT_EQ(
      train("plain", "upper", {"--steps", "1", "--quiet", "--model", model, "--form", "plain"})
          .code,
      0)
      << "nothing is searched";
  EXPECT_EQ(exported("streams", "made").code, 0) << "what finds chunks is in no adapter";
}

TEST_F(TrainArtifact, RunsThatKnowNoSifGoOn) {
  const std::string model = doctored_model(folder_, {{"sif.safetensors", std::nullopt}});
  const std::vector<std::string> more = {"--steps", "1", "--quiet", "--model", model};
  ASSERT_EQ(train("run", "upper", more).code, 0);
  fs::copy_file(reference_model() + "/sif.safetensors", model + "/sif.safetensors");
  const ToolResult again = train("run", "upper", more);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(exported("run", "made").code, 0);
}

TEST_F(TrainArtifact, ExportNeedsNoGpuAndTakesItsOwnModel) {
  const std::string model = doctored_model(folder_, {}, "before");
  ASSERT_EQ(train("run", "upper", {"--steps", "1", "--model", model}).code, 0);
  const fs::path recipe = path("run/recipe.toml");
  std::string text = slurp(recipe);
  text = text.find("device = ") == std::string::npos
             ? "device = \"cuda\"\n" + text
             : replaced(text, "device = \"auto\"", "device = \"cuda\"");
  write(recipe, text);
  const ToolResult made = exported("run", "made");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(same(path("made/adapter/upper_layers.safetensors"),
                   path("run/adapter/upper_layers.safetensors")));
  fs::rename(model, path("after"));
  const ToolResult moved = exported("run", "moved", {"--model", folder_ / "after"});
  EXPECT_EQ(moved.code, 0) << moved.err;

  const fs::path settings = path("after/memlong.toml");
  text = replaced(slurp(settings), "top_k = 12", "top_k = 11");
  fs::remove(settings);  // a link to the reference model's
  write(settings, text);
  expect_error(exported("run", "other", {"--model", folder_ / "after"}), 1,
               "was made with another recipe or model (top-k 12, not 11)");
}

TEST_F(TrainArtifact, EvaluationsReadMemoryWhateverTrainingDoes) {
  const ToolResult run = train("run", "all",
                               {"--steps", "1", "--without-memory", "1", "--eval-batches", "1",
                                "--eval-data", "talk=dialogs:" + kDialogs, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json talk = json::parse(run.out)["evaluations"]["talk"];
  EXPECT_NE(talk["with_memory"]["perplexity"], talk["without_memory"]["perplexity"]);
}

TEST_F(TrainArtifact, AnEvaluationIsInTheLogOnce) {
  const std::vector<std::string> more = {"--steps",
                                         "3",
                                         "--eval-every",
                                         "1",
                                         "--eval-batches",
                                         "1",
                                         "--quiet",
                                         "--eval-data",
                                         "held=text:" + folder_ / "held.txt"};
  ASSERT_EQ(train("run", "upper", more).code, 0);
  const fs::path log = path("run/log.jsonl");
  const auto evaluations = [&] {
    std::vector<json> rows = read_lines(log);
    std::erase_if(rows, [](const json& row) { return !row.contains("evaluation"); });
    return rows;
  };
  ASSERT_EQ(evaluations().size(), 3U);
  json row = evaluations()[0];
  row["seconds"] = 99.0;
  std::ofstream(log, std::ios::app) << row.dump() << "\n";
  ASSERT_EQ(train("run", "upper", more).code, 0);
  const std::vector<json> rows = evaluations();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows.back(), row) << "the last one stays";
  EXPECT_EQ(steps_of(path("run")).size(), 3U);
}

}  // namespace
}  // namespace memlong::tools_test
