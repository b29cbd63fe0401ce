// What is not computed rather than computed wrong: bf16 without the instructions for it, rows that
// sliding attention does not see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/doctored_model.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ComputeLimits : public testing::Test {
 protected:
  ToolResult logits(const std::string& model, int ids, std::vector<std::string> more,
                    const ToolCall& call = {}) {
    std::string text;
    for (int i = 0; i < ids; ++i) text += std::to_string(300 + i) + "\n";
    std::vector<std::string> args = {"logits",
                                     "--model",
                                     model,
                                     "--ids",
                                     folder_.write("ids", text),
                                     "--out",
                                     folder_ / "out.safetensors",
                                     "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("memlong-eval", args, call);
  }

  TempFolder folder_;
};

TEST_F(ComputeLimits, WithoutBf16ProductsF32IsTaken) {
  const ToolCall old{.environment = {{"ONEDNN_MAX_CPU_ISA", "AVX2"}}};
  const ToolResult automatic = logits(reference_model(), 8, {}, old);
  EXPECT_EQ(automatic.code, 0) << automatic.err;
  EXPECT_THAT(automatic.err, HasSubstr("this processor does not multiply bf16: computing in f32"));
  const std::string values = slurp(folder_ / "out.safetensors");
  const ToolResult wide = logits(reference_model(), 8, {"--dtype", "f32"}, old);
  EXPECT_EQ(wide.code, 0) << wide.err;
  EXPECT_EQ(wide.err, "");
  EXPECT_EQ(slurp(folder_ / "out.safetensors"), values);
  const ToolResult named = logits(reference_model(), 8, {"--dtype", "bf16"}, old);
  EXPECT_EQ(named.code, 1);
  EXPECT_THAT(named.err, HasSubstr("use --dtype f32"));
  EXPECT_EQ(std::count(named.err.begin(), named.err.end(), '\n'), 1) << named.err;
}

TEST_F(ComputeLimits, RowsThatSlidingAttentionDoesNotSeeAreRefused) {
  const std::string model = doctored_model(
      folder_, {{"config.json", config_with({{"architectures", {"MistralForCausalLM"}},
                                             {"model_type", "mistral"},
                                             {"sliding_window", 16}})}});
  const std::vector<std::string> fits = {"--window", "16", "--chunk", "4", "--overlap", "4"};
  EXPECT_EQ(logits(model, 16, fits).code, 0);
  const ToolResult more = logits(model, 17, fits);
  EXPECT_EQ(more.code, 1);
  EXPECT_THAT(more.err, HasSubstr("has 17 ids; layers with sliding attention see 16"));
  const ToolResult wide = logits(model, 16, {});
  EXPECT_EQ(wide.code, 1);
  EXPECT_THAT(wide.err, HasSubstr("[window] size is 320; this model reads windows of 2 to 16"));
}

}  // namespace
}  // namespace memlong::tools_test
