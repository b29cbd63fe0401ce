// Limits of processors and models: bf16 without the instructions for it, rows that sliding
// attention does not see.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "model/safetensors.h"
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

/// Of 8 rows and of 2, which are multiplied in different ways.
TEST_F(ComputeLimits, Bf16WithoutItsInstructionsIsBf16) {
  const ToolCall old{.environment = {{"ONEDNN_MAX_CPU_ISA", "AVX2"}}};
  const auto values = [&](int ids, const char* dtype, const ToolCall& call) {
    const ToolResult result = logits(reference_model(), ids, {"--dtype", dtype}, call);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    const model::SafetensorsFile file(folder_.path() / "out.safetensors");
    const TensorView rows = file.get("logits");
    return std::vector<float>(rows.data<float>(), rows.data<float>() + rows.elements());
  };
  const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
    double squares = 0.0;
    double all = 0.0;
    for (size_t i = 0; i < a.size(); ++i) {
      squares += (a[i] - b[i]) * (a[i] - b[i]);
      all += b[i] * b[i];
    }
    return std::sqrt(squares / all);
  };
  for (const int ids : {8, 2}) {
    const std::vector<float> exact = values(ids, "f32", old);
    const std::vector<float> found = values(ids, "bf16", old);
    const double rounding = distance(values(ids, "bf16", {}), exact);
    EXPECT_GT(distance(found, exact), 0.0);
    EXPECT_LT(distance(found, exact), std::max(0.01, 1.5 * rounding)) << ids;
  }
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
