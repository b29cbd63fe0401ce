// What memlong-train leaves behind, and what it leaves alone.
#include "tools/doctored_model.h"
#include "tools/train_tool.h"

namespace memlong::tools_test {
namespace {

class TrainArtifact : public TrainTool {
 protected:
  [[nodiscard]] ToolResult exported(const std::string& run, const std::string& out,
                                    std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"export", "--quiet", "--run", folder_ / run, "--out", folder_ / out});
    return run_tool("memlong-train", more);
  }
  void write(const fs::path& file, const std::string& content) const {
    std::ofstream(file, std::ios::binary) << content;
  }
};

TEST_F(TrainArtifact, AFolderHoldsOneKindOfAdapter) {
  ASSERT_EQ(train("lora", "lora", {"--steps", "1"}).code, 0);
  ASSERT_EQ(train("upper", "upper", {"--steps", "1"}).code, 0);
  ASSERT_EQ(exported("lora", "so-far").code, 0);
  const std::string refusal = "is in the way of an adapter folder: it holds adapter_";
  const std::string upper = "so-far/adapter/upper_layers.safetensors";
  expect_error(exported("upper", "so-far"), 1, refusal);
  EXPECT_FALSE(fs::exists(path(upper)));
  expect_error(run_tool("memlong-train", {"merge", "--quiet", "--model", reference_model(),
                                          "--adapter", folder_ / "upper/adapter", "--share", "0.5",
                                          "--upper", "--out", folder_ / "so-far/adapter"}),
               1, refusal);
  EXPECT_FALSE(fs::exists(path(upper)));
  // Before the first step, not behind the last.
  expect_error(train("so-far", "upper", {"--steps", "1", "--quiet"}), 1, refusal);
  EXPECT_FALSE(fs::exists(path("so-far/log.jsonl")));
  expect_error(exported("lora", "upper"), 1, "it holds upper_layers.safetensors");
}

TEST_F(TrainArtifact, AFinishedRunLeavesItAlone) {
  const std::vector<std::string> more = {"--steps", "1"};
  ASSERT_EQ(train("run", "all", more).code, 0);
  const fs::path model = path("run/model");
  const std::string settings = slurp(model / "memlong.toml") + "# mine\n";
  write(model / "memlong.toml", settings);
  fs::copy_file(reference_model() + "/sif.safetensors", model / "sif.safetensors",
                fs::copy_options::overwrite_existing);
  const ToolResult again = train("run", "all", more);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr(model.string() + ": is there already and stays as it is\n"));
  EXPECT_EQ(slurp(model / "memlong.toml"), settings);
  EXPECT_TRUE(same(model / "sif.safetensors", reference_model() + "/sif.safetensors"));
  // What does not open is written anew; what else lies there stays.
  const std::string weights = slurp(model / "model.safetensors");
  write(model / "model.safetensors", weights.substr(0, 1000));
  write(model / "notes.txt", "mine");
  ASSERT_EQ(train("run", "all", more).code, 0);
  EXPECT_TRUE(slurp(model / "model.safetensors") == weights);
  EXPECT_EQ(slurp(model / "notes.txt"), "mine");
  EXPECT_FALSE(same(model / "sif.safetensors", reference_model() + "/sif.safetensors"));
}

TEST_F(TrainArtifact, AModelFolderAppearsCompleteOrNotAtAll) {
  ASSERT_EQ(train("run", "all", {"--steps", "1"}).code, 0);
  write(path("texts/b.txt"), "caf\xE9");  // sif.safetensors is estimated from the data
  expect_error(exported("run", "out"), 1, "b.txt: not UTF-8");
  EXPECT_FALSE(fs::exists(path("out/model")));
  EXPECT_TRUE(fs::is_empty(path("out")));
}

TEST_F(TrainArtifact, TheModelThatIsTrainedIsNotWrittenOver) {
  fs::create_directories(path("run"));
  fs::copy(reference_model(), path("run/model"));
  expect_error(train("run", "all", {"--model", folder_ / "run/model", "--quiet"}), 2,
               "would be written over the model that the run begins with");
  EXPECT_FALSE(fs::exists(path("run/log.jsonl"))) << "before the first step";
  ASSERT_EQ(train("other", "all", {"--model", folder_ / "run/model", "--steps", "1"}).code, 0);
  expect_error(exported("other", "run"), 2, "would be written over the model");
}

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

TEST_F(TrainArtifact, ExportGoesByTheRunAndTakesItsOwnModel) {
  const std::string model = doctored_model(folder_, {}, "before");
  ASSERT_EQ(train("run", "upper", {"--steps", "1", "--model", model}).code, 0);
  const ToolResult made = exported("run", "made");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(same(path("made/adapter/upper_layers.safetensors"),
                   path("run/adapter/upper_layers.safetensors")));
  fs::rename(model, path("after"));
  const ToolResult moved = exported("run", "moved", {"--model", folder_ / "after"});
  EXPECT_EQ(moved.code, 0) << moved.err;

  const fs::path settings = path("after/memlong.toml");
  const std::string text = replaced(slurp(settings), "top_k = 12", "top_k = 11");
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
