// What tools print of the memory plan.
#include "tools/common/show_plan.h"

#include <gmock/gmock.h>

#include "tools/run_tool.h"

namespace memlong::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ShowPlan, AlignsThePartsAndAddsThemUp) {
  engine::MemoryPlan plan;
  plan.parts = {{"weights", "26 layers, bf16", int64_t{3} << 30, "--dtype"},
                {"K-V cache", "26 layers x 1 window of 2048 tokens", int64_t{512} << 20, ""}};
  const std::string text = plan_text(plan, "cuda:0 (NVIDIA T)");
  EXPECT_THAT(text, HasSubstr("memory plan for cuda:0 (NVIDIA T):\n"));
  EXPECT_THAT(text, testing::ContainsRegex("weights +3.0 GiB  26 layers, bf16"));
  EXPECT_THAT(text, testing::ContainsRegex("K-V cache +512.0 MiB  26 layers x 1 window"));
  EXPECT_THAT(text, testing::ContainsRegex("together +3.5 GiB"));
}

TEST(ShowPlan, OnTheCpuItIsSaidOnlyToThoseWhoAsk) {
  if (!tools_test::tool_exists("memlong-ingest")) GTEST_SKIP();
  const tools_test::TempFolder folder;
  std::vector<std::string> args = {
      "--model", tools_test::reference_model(), "--bank", folder / "bank", "--device", "cpu", "-"};
  const tools_test::ToolResult plain = tools_test::run_tool("memlong-ingest", args, "Some text.");
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_THAT(plain.err, Not(HasSubstr("memory plan")));
  args.insert(args.begin(), "--verbose");
  const tools_test::ToolResult verbose = tools_test::run_tool("memlong-ingest", args, "Some text.");
  EXPECT_EQ(verbose.code, 0) << verbose.err;
  EXPECT_THAT(verbose.err, HasSubstr("memory plan for the CPU:\n"));
  EXPECT_THAT(verbose.err, HasSubstr("writer, 4 layers and keys, values"));
}

}  // namespace
}  // namespace memlong::tools
