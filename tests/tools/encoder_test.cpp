// A sentence encoder as embedder, from the reading of text to the answer.
#include <gmock/gmock.h>

#include "support/golden_encoders.h"
#include "tools/doctored_model.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using test::copied_encoder;
using test::encoder_folder;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const char* const kHarbour = "The lighthouse keeper lit the great lamp and watched the ships.";
const char* const kGarden = "Roses need much sun, and water in the morning, said the gardener.";
const char* const kKitchen = "She put the bread on the table and cut the cheese with a knife.";

class EncoderTool : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-chat")) GTEST_SKIP() << "the tools are not built";
    for (const auto& [name, text] :
         {std::pair("harbour", kHarbour), {"garden", kGarden}, {"kitchen", kKitchen}}) {
      texts_.push_back(folder_.write(name, text));
    }
  }

  [[nodiscard]] std::string bank() const { return folder_ / "bank"; }
  [[nodiscard]] std::vector<std::string> ingest_args(std::vector<std::string> more) const {
    more.insert(more.end(), {"--model", reference_model(), "--bank", bank(), "--quiet"});
    more.insert(more.end(), texts_.begin(), texts_.end());
    return more;
  }
  void ingest(const std::vector<std::string>& more) const {
    const ToolResult result = run_tool("memlong-ingest", ingest_args(more));
    ASSERT_EQ(result.code, 0) << result.err;
  }
  [[nodiscard]] static json run(const std::string& tool, std::vector<std::string> args) {
    args.insert(args.end(), {"--json", "--quiet"});
    const ToolResult result = run_tool(tool, args);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  [[nodiscard]] std::vector<std::string> chat_args(std::vector<std::string> more) const {
    more.insert(more.end(), {"--model", reference_model(), "--bank", bank(), "--greedy", "-n", "4",
                             "--prompt", kGarden});
    return more;
  }

  TempFolder folder_;
  std::vector<std::string> texts_;
};

TEST_F(EncoderTool, FindsWhatWasIngested) {
  const std::string folder = encoder_folder("bert-mean").string();
  ingest({"--embedder", "encoder", "--encoder", folder});
  const json stats = run("memlong-bank", {"stats", "--bank", bank()});
  EXPECT_THAT(stats["embedder"].get<std::string>(), StartsWith("encoder:"));
  EXPECT_EQ(stats["embedder"].get<std::string>().size(), 8 + 64U);
  EXPECT_EQ(stats["embedder_dim"], 32);
  EXPECT_EQ(stats["encoder"], folder);
  for (const char* text : {kHarbour, kGarden, kKitchen}) {
    const json hits = run("memlong-bank", {"search", text, "--bank", bank()});
    ASSERT_EQ(hits.size(), 3U);
    EXPECT_EQ(hits[0]["text"], text);
    EXPECT_GT(hits[0]["score"], 0.999);
    EXPECT_LT(hits[1]["score"], 0.99);
  }
  // The bank remembers where its encoder is.
  for (const std::vector<std::string>& more :
       {std::vector<std::string>(), {"--encoder", folder}, {"--embedder", "encoder"}}) {
    const json answer = run("memlong-chat", chat_args(more));
    ASSERT_FALSE(answer["retrieved"].empty());
    const auto best = std::ranges::max_element(
        answer["retrieved"], {}, [](const json& chunk) { return chunk["score"].get<double>(); });
    EXPECT_EQ((*best)["name"], texts_[1]);
  }
}

TEST_F(EncoderTool, AnotherEncoderIsRefused) {
  const std::string other = encoder_folder("bert-cls").string();
  ingest({"--encoder", encoder_folder("xlm-roberta").string()});
  const std::string says = "has embedder encoder:";
  expect_refused("memlong-ingest", ingest_args({"--encoder", other}), 1,
                 ", this model has encoder:");
  expect_refused("memlong-chat", chat_args({"--encoder", other, "--quiet"}), 1, says);
  expect_refused("memlong-chat", chat_args({"--embedder", "sif", "--quiet"}), 1,
                 ", this model has sif; use a bank of its own");
  expect_refused("memlong-bank", {"search", "x", "--bank", bank(), "--encoder", other}, 1, says);
}

TEST_F(EncoderTool, AnEncoderThatIsGoneIsAskedFor) {
  const TempFolder place;
  const std::string copy = copied_encoder(place, "bert-cls").string();
  ingest({"--encoder", copy});
  std::filesystem::remove_all(copy);
  const std::string says = "was made with a sentence encoder, which is no longer in " + copy +
                           "; give its folder with --encoder DIR";
  expect_refused("memlong-ingest", ingest_args({}), 2, says);
  expect_refused("memlong-chat", chat_args({"--quiet"}), 2, says);
  expect_refused("memlong-bank", {"search", "x", "--bank", bank()}, 2, says);
  const std::string again = encoder_folder("bert-cls").string();
  ingest({"--encoder", again});
  texts_.push_back(folder_.write("another", "What is new is written with the place."));
  ingest({"--encoder", again});
  EXPECT_EQ(run("memlong-bank", {"stats", "--bank", bank()})["encoder"], again);
  (void)run("memlong-chat", chat_args({}));
}

TEST_F(EncoderTool, ANameInEveryPlaceOfOptions) {
  const std::string folder = encoder_folder("bert-mean").string();
  ingest({"--encoder", folder});
  const json stats = run("memlong-bank", {"stats", "--bank", bank()});
  ToolCall call;
  call.environment = {{"MEMLONG_ENCODER", folder}};
  EXPECT_EQ(run_tool("memlong-ingest", ingest_args({}), call).code, 0);
  // The model's own settings; the folder is counted from where they stand.
  std::filesystem::copy(folder, folder_.path() / "encoder",
                        std::filesystem::copy_options::recursive);
  const std::string own = slurp(reference_model() + "/memlong.toml");
  const std::string model = doctored_model(
      folder_, {{"memlong.toml", replaced(own, "embedder = \"sif\"",
                                          "embedder = \"encoder\"\nencoder = \"../encoder\"")}});
  const std::string another = folder_ / "another";
  const ToolResult result =
      run_tool("memlong-ingest", {"--model", model, "--bank", another, "--quiet", texts_[0]});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(run("memlong-bank", {"stats", "--bank", another})["fingerprint"], stats["fingerprint"]);
}

TEST_F(EncoderTool, OptionsThatCannotBe) {
  const std::string folder = encoder_folder("bert-mean").string();
  expect_refused("memlong-ingest", ingest_args({"--embedder", "encoder"}), 1,
                 "name the encoder's folder with --encoder DIR");
  expect_refused("memlong-ingest", ingest_args({"--embedder", "sif", "--encoder", folder}), 2,
                 "--encoder goes with --embedder encoder, not sif");
  expect_refused("memlong-ingest", ingest_args({"--encoder", folder_ / "none"}), 2,
                 "none: No such file");
  expect_refused("memlong-ingest", ingest_args({"--encoder", reference_model()}), 1,
                 "model_type is \"llama\"; encoders that are read are bert and xlm-roberta");
}

TEST_F(EncoderTool, DamagedEncodersAreRefused) {
  const TempFolder place;
  const std::string copy = copied_encoder(place, "bert-mean").string();
  const auto refused = [&](const std::string& file, const std::string& content,
                           const std::string& says) {
    const std::string good = slurp(copy + "/" + file);
    place.write("bert-mean/" + file, content);
    expect_refused("memlong-ingest", ingest_args({"--encoder", copy}), 1, says);
    place.write("bert-mean/" + file, good);
  };
  const std::string weights = slurp(copy + "/model.safetensors");
  refused("config.json", "{", "config.json");
  refused("config.json", "{}", "config.json: model_type");
  refused("model.safetensors", weights.substr(0, weights.size() - 1), "model.safetensors");
  refused("model.safetensors", "", "model.safetensors");
  refused("model.safetensors", replaced(weights, "LayerNorm.bias", "LayerNorm.bats"),
          "LayerNorm.bias is missing");
  refused("tokenizer.json", "[]", "tokenizer.json is not a JSON object");
  refused("tokenizer.json", std::string(5000, '['), "tokenizer.json");
  refused("modules.json", "{}", "modules.json is not a JSON list");
  refused("1_Pooling/config.json", "", "1_Pooling/config.json");
  EXPECT_FALSE(std::filesystem::exists(bank()));
  ingest({"--encoder", copy});
}

}  // namespace
}  // namespace memlong::tools_test
