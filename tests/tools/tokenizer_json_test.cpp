// A model folder that has a tokenizer.json in place of tokenizer.model, as the tools meet it.
#include <gtest/gtest.h>

#include "support/reference_tokenizer_json.h"
#include "tools/doctored_model.h"
#include "tools/refusal.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class TokenizerJsonModel : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-chat")) GTEST_SKIP() << "memlong-chat is not built";
    const std::string bytes = slurp(reference_model() + "/tokenizer.model");
    const json tokenizer = test::reference_tokenizer_json(bytes);
    model_ = doctored_model(
        folder_, {{"tokenizer.model", std::nullopt}, {"tokenizer.json", tokenizer.dump()}});
  }

  static std::string told_and_asked(const std::string& model, const Words& more = {}) {
    Words args = {"--model",   model,      "--greedy",
                  "--threads", "1",        "--quiet",
                  "--json",    "--prompt", "I left my glasses on the piano.",
                  "-n",        "24"};
    args.insert(args.end(), more.begin(), more.end());
    const ToolResult result = run_tool("memlong-chat", args);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out).at("text");
  }

  TempFolder folder_;
  std::string model_;
};

TEST_F(TokenizerJsonModel, SaysWhatTheSameModelSaysWithItsSentencepieceFile) {
  const std::string text = told_and_asked(model_);
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(text, told_and_asked(reference_model()));
}

TEST_F(TokenizerJsonModel, RemembersAndFinds) {
  const std::string bank = folder_ / "bank";
  const std::string text =
      folder_.write("note.txt", "The spare key is under the third flower pot.");
  const ToolResult ingest =
      run_tool("memlong-ingest", {"--model", model_, "--bank", bank, "--quiet", text});
  EXPECT_EQ(ingest.code, 0) << ingest.err;
  const ToolResult found = run_tool(
      "memlong-bank", {"search", "--model", model_, "--bank", bank, "--json", "the spare key"});
  EXPECT_EQ(found.code, 0) << found.err;
  EXPECT_NE(found.out.find("under the third flower pot"), std::string::npos) << found.out;
}

TEST_F(TokenizerJsonModel, ABankOfAnotherTokenizerIsRefused) {
  const std::string bank = folder_ / "bank";
  told_and_asked(reference_model(), {"--bank", bank, "--session", "anna"});
  expect_refused("memlong-chat",
                 {"--model", model_, "--bank", bank, "--session", "anna", "--prompt", "Hi"}, 1,
                 "tokenizer");
}

}  // namespace
}  // namespace memlong::tools_test
