#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/memlong-bench/row.h"
#include "tools/memlong-bench/shapes.h"
#include "tools/memlong-bench/word_tokenizer.h"
#include "tools/memlong-bench/work.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {
namespace {

using namespace bench_tool;
using nlohmann::json;

TEST(Bench, MedianOfOddEvenAndNothing) {
  EXPECT_EQ(median({3, 1, 100}), 3);
  EXPECT_EQ(median({4, 1, 3, 100}), 3.5);
  EXPECT_EQ(median({}), 0);
}

TEST(Bench, MeasureLeavesOutTheFirstRun) {
  tools::Progress progress("test", "runs", 0, tools::ProgressStyle::none);
  std::vector<double> values = {1000, 2, 6, 4};
  size_t runs = 0;
  const Row row = measure({.test = "pp1",
                           .unit = "tokens/s",
                           .run = [&] { return values.at(runs++); },
                           .floor = [] { return 8.0; }},
                          3, progress);
  EXPECT_EQ(runs, 4U);
  EXPECT_EQ(row.value, 4);
  EXPECT_EQ(row.floor, 8);
  EXPECT_EQ(row.share, 0.5);
  EXPECT_EQ(row.deviation, 2);
}

TEST(Bench, ShapesHaveTheParametersOfTheirNames) {
  const auto count = [](const std::string& name) {
    Network network;
    network.config = shape_config(name);
    return parameters(network) / 1e9;
  };
  EXPECT_NEAR(count("openllama-3b"), 3.4265, 1e-3);
  EXPECT_NEAR(count("tinyllama-1.1b"), 1.1000, 1e-3);
  EXPECT_NEAR(count("llama-2-7b"), 6.7384, 1e-3);
  EXPECT_NEAR(count("mistral-7b"), 7.2417, 1e-3);
  EXPECT_NEAR(count("qwen2-0.5b"), 0.4940, 1e-3);
  EXPECT_THROW(shape_config("llama-9b"), std::exception);
}

TEST(Bench, CountsTheWorkOfAPass) {
  Context context({.device = Device::cpu, .threads = 1});
  tools::CommonOptions common;
  common.memory_layer = 4;
  common.reading_layers = {4, 6};
  const Network network = open_network(context, common, "reference", 16);
  // C 256, F 704, H 4, G 2, D 64, V 4096, L 8
  const double block = 256 * (256 + 2 * 128) + 256 * 256 + 3 * 256 * 704;
  const double head = 256.0 * 4096;
  EXPECT_EQ(prefill_flops(network, 1, 0), 8 * (2 * block + 4 * 256) + 2 * head);
  EXPECT_EQ(prefill_flops(network, 3, 0), 8 * (3 * 2 * block + 4 * 256 * 6) + 2 * head);
  EXPECT_EQ(prefill_flops(network, 3, 10) - prefill_flops(network, 3, 0), 2 * 4 * 256 * 3 * 10);
  EXPECT_EQ(writer_flops_per_token(network, 1), 4 * (2 * block + 4 * 256) + 4 * 256 * 128);
  const double weights = decode_bytes_per_token(network, 1, 0);
  EXPECT_GE(weights, 2 * (8 * block + head));
  EXPECT_LT(weights, 2.2 * (8 * block + head));
  EXPECT_EQ(decode_bytes_per_token(network, 1, 5) - weights, 2 * 2 * 128 * 2 * 5);
}

TEST(Bench, WordTokenizerGivesOneIdForAWord) {
  const WordTokenizer words(100);
  const auto ids = words.encode("  the cat\nthe  dog ", false);
  ASSERT_EQ(ids.size(), 4U);
  EXPECT_EQ(ids[0], ids[2]);
  for (const int32_t id : ids) EXPECT_TRUE(id >= 3 && id < 100);
  EXPECT_TRUE(words.encode(" \n", true).empty());
}

TEST(Bench, PrintsEveryForm) {
  Report report{.model = "a,\"b\"",
                .parameters = 7e6,
                .dtype = "bf16",
                .threads = 2,
                .machine = "box",
                .commit = "abc",
                .repeat = 5,
                .rows = {}};
  report.rows.push_back({.test = "pp512",
                         .value = 100,
                         .deviation = 1,
                         .unit = "tokens/s",
                         .floor = 200,
                         .share = 0.5});
  EXPECT_NE(format_markdown(report).find("50.0 %"), std::string::npos);
  EXPECT_NE(format_csv(report).find("\"a,\"\"b\"\"\",7000000,bf16,2,\"pp512\",100.0000,"),
            std::string::npos)
      << format_csv(report);
  const json parsed = json::parse(format_json(report));
  EXPECT_EQ(parsed["rows"][0]["share"], 0.5);
  EXPECT_EQ(parsed["commit"], "abc");
}

TEST(Bench, MeasuresAShapeAndLeavesNothingBehind) {
  const TempFolder folder;
  const ToolResult result = run_tool("memlong-bench", {"--shape",    "reference",
                                                       "--prompt",   "16,32",
                                                       "--generate", "4",
                                                       "--memory",   "0,64",
                                                       "--ingest",   "1024",
                                                       "--bank-mib", "1",
                                                       "--vectors",  "1000",
                                                       "--repeat",   "1",
                                                       "--json",     "--threads",
                                                       "1",          "--quiet",
                                                       "--folder",   folder.path().string()});
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = json::parse(result.out);
  std::vector<std::string> tests;
  for (const json& row : report["rows"]) {
    tests.push_back(row["test"]);
    EXPECT_GT(row["value"], 0.0) << row["test"];
    EXPECT_GT(row["floor"], 0.0) << row["test"];
    EXPECT_NEAR(row["share"].get<double>(), row["value"].get<double>() / row["floor"].get<double>(),
                1e-9);
  }
  EXPECT_EQ(tests,
            (std::vector<std::string>{"pp16", "pp32", "tg4", "pp16+m64", "pp32+m64", "tg4+m64",
                                      "ingest", "bank-write", "bank-read", "search-1000"}));
  EXPECT_EQ(report["dtype"], "bf16");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Bench, MeasuresAModelInTheOtherForms) {
  const ToolResult csv =
      run_tool("memlong-bench", {"--model", reference_model(), "--tests", "prefill", "--prompt",
                                 "8", "--repeat", "1", "--dtype", "f32", "--output", "csv"});
  EXPECT_EQ(csv.code, 0) << csv.err;
  EXPECT_NE(csv.out.find("\"reference\","), std::string::npos) << csv.out;
  EXPECT_NE(csv.out.find(",f32,"), std::string::npos);
}

TEST(Bench, RefusesWhatCannotBeMeant) {
  EXPECT_EQ(run_tool("memlong-bench", {}).code, 2);
  EXPECT_EQ(run_tool("memlong-bench", {"--shape", "llama-9b"}).code, 2);
  EXPECT_EQ(run_tool("memlong-bench", {"--shape", "100m", "--model", reference_model()}).code, 2);
}

}  // namespace
}  // namespace memlong::tools_test
