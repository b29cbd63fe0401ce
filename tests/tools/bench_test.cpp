#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/file.h"
#include "tools/background_tool.h"
#include "tools/memlong-bench/row.h"
#include "tools/memlong-bench/shapes.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/vectors.h"
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
  const double weights = decode_bytes_per_token(network, 0, 1, 0);
  EXPECT_GE(weights, 2 * (8 * block + head));
  EXPECT_LT(weights, 2.2 * (8 * block + head));
  EXPECT_EQ(decode_bytes_per_token(network, 0, 1, 5) - weights, 2 * 2 * 128 * 2 * 5);
  // Nine more keys and values of 2 * 128 numbers in each of the 8 layers; positions 10, 11, 12.
  EXPECT_EQ(decode_bytes_per_token(network, 9, 1, 0) - weights, 9 * 8 * 2 * 128 * 2);
  EXPECT_EQ(decode_bytes_per_token(network, 9, 3, 0) - weights, 10 * 8 * 2 * 128 * 2);
  // Three streams more, each with a token of its own and the nine before it.
  EXPECT_EQ(decode_bytes_per_token(network, 9, 1, 0, 4) - decode_bytes_per_token(network, 9, 1, 0),
            3 * 10 * 8 * 2 * 128 * 2);
}

TEST(Bench, CountsTheWorkOfATrainingStep) {
  Context context({.device = Device::cpu, .threads = 1});
  tools::CommonOptions common;
  common.memory_layer = 4;
  common.reading_layers = {4, 6};
  common.chunk = 16;
  common.top_k = 2;
  common.neighbours = 0;
  const Network network = open_network(context, common, "reference", 16);
  // C 256, F 704, H 4, G 2, D 64, V 4096, L 8; the head is tied and does not learn.
  const double mlp = 3 * 256 * 704;
  const double block = 256 * (256 + 2 * 128) + 256 * 256 + mlp;
  const double products = 4 * 256 * 256 + 6 * (256 * 256 + mlp) + 3 * 6 * block + 4 * 256.0 * 4096;
  // One token alone: a key of the memory layer, whose keys do not learn, and of three others; two
  // layers read 32 constant ones.
  const double attention = 256 * (8 + 3 * 12) + 2 * 8 * 256 * 32;
  EXPECT_EQ(train_flops(network, 1, 1), writer_flops_per_token(network, 1) + products + attention);
  const double more = 256 * (8 + 3 * 12);  // of the mean of 1, 2 and 3 keys
  EXPECT_EQ(train_flops(network, 5, 3),
            15 * (writer_flops_per_token(network, 3) + products + attention + more));
}

TEST(Bench, CountsTheWorkOfAttention) {
  Context context({.device = Device::cpu, .threads = 1});
  const Network network = open_network(context, {}, "reference", 16);
  // H 4, G 2, D 64: 4 * 256 operations a key, 2 * 128 numbers of 2 bytes
  const AttentionWork one = attention_work(network, 1, 511, 512);
  EXPECT_EQ(one.flops, 4 * 256 * 1024);
  EXPECT_EQ(one.bytes, 2 * 128 * 2 * 1024);
  const AttentionWork three = attention_work(network, 3, 10, 100);
  EXPECT_EQ(three.flops, 4 * 256 * (111 + 112 + 113));
  EXPECT_EQ(three.bytes, 2 * 128 * 2 * 113);
}

TEST(Bench, CountsTokensThatWindowsReadTwice) {
  EXPECT_EQ(computed_tokens(100, 512, 128), 100);
  EXPECT_EQ(computed_tokens(512, 512, 128), 512);
  EXPECT_EQ(computed_tokens(513, 512, 128), 513 + 128);
  EXPECT_EQ(computed_tokens(512 + 384, 512, 128), 512 + 512);
  EXPECT_EQ(computed_tokens(512 + 385, 512, 128), 512 + 385 + 2 * 128);
}

TEST(Bench, NamesATestByItsSize) {
  EXPECT_EQ(test_name("pp", {512, 0, 0}), "pp512");
  EXPECT_EQ(test_name("tg", {32, 512, 64}), "tg32@512+m64");
  EXPECT_EQ(test_name("tg", {32, 512, 0, 4}), "tg32x4@512");
}

TEST(Bench, RecallIsTheShareThatWasFound) {
  const std::vector<retriever::Hit> right = {{1, 0}, {2, 0}, {3, 0}, {4, 0}};
  EXPECT_EQ(recall(right, right), 1);
  EXPECT_EQ(recall(std::vector<retriever::Hit>{{4, 0}, {9, 0}}, right), 0.25);
  EXPECT_EQ(recall({}, right), 0);
  EXPECT_EQ(recall(right, {}), 1);
}

TEST(Bench, VectorsLieAroundTheSameCentres) {
  const auto product = [](std::span<const float> a, std::span<const float> b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0F);
  };
  constexpr int64_t kDim = 512;
  VectorSource one(kDim, 1, 5);
  const std::vector<float> first = one.next(1);
  const std::vector<float> second = one.next(1);
  const std::vector<float> other = VectorSource(kDim, 1, 6).next(1);
  EXPECT_EQ(VectorSource(kDim, 1, 5).next(1), first);
  EXPECT_NEAR(product(first, second), 1.0, 0.35);  // the centre, of length 1, is common to all
  EXPECT_NEAR(product(first, other), 1.0, 0.35);
  EXPECT_NEAR(product(first, first), 1.64, 0.35);
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
                         .share = 0.5,
                         .more = {{"recall", 0.97}, {"seconds", 12.5}}});
  report.rows.push_back({.test = "op512:norms", .value = 3, .unit = "passes/s"});
  EXPECT_NE(format_markdown(report).find("50.0 %"), std::string::npos);
  EXPECT_NE(format_csv(report).find("\"a,\"\"b\"\"\",7000000,bf16,2,\"pp512\",100.0000,"),
            std::string::npos)
      << format_csv(report);
  EXPECT_NE(format_markdown(report).find("recall 0.970, seconds 12.50"), std::string::npos);
  EXPECT_NE(format_csv(report).find("\"recall 0.970, seconds 12.50\""), std::string::npos);
  const json parsed = json::parse(format_json(report));
  EXPECT_FALSE(parsed.contains("stopped"));
  EXPECT_EQ(parsed["rows"][0]["more"]["recall"], 0.97);
  EXPECT_TRUE(parsed["rows"][1]["more"].empty());
  EXPECT_EQ(parsed["rows"][0]["share"], 0.5);
  EXPECT_EQ(parsed["commit"], "abc");
}

/// What a run prints, after a look at every row.
std::map<std::string, json> rows_of(const std::vector<std::string>& arguments) {
  const TempFolder folder;
  std::vector<std::string> all = arguments;
  for (const std::string word :
       {"--repeat", "1", "--json", "--threads", "1", "--quiet", "--folder"}) {
    all.push_back(word);
  }
  all.push_back(folder.path().string());
  const ToolResult result = run_tool("memlong-bench", all);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  std::map<std::string, json> rows;
  if (result.code != 0) return rows;
  const json report = json::parse(result.out);
  EXPECT_EQ(report["dtype"], "bf16");
  for (const json& row : report["rows"]) {
    rows[row["test"]] = row;
    const double value = row["value"];
    const double floor = row["floor"];
    EXPECT_GT(value, 0.0) << row["test"];
    EXPECT_NEAR(row["share"].get<double>(), floor > 0 ? value / floor : 0, 1e-9);
  }
  return rows;
}

void expect_tests(const std::map<std::string, json>& rows, const std::set<std::string>& names) {
  std::set<std::string> found;
  for (const auto& [name, row] : rows) found.insert(name);
  EXPECT_EQ(found, names);
}

TEST(Bench, MeasuresTheNetworkOfAShape) {
  const auto rows =
      rows_of({"--shape", "reference", "--tests", "prefill,decode,attention,profile", "--prompt",
               "16,32", "--generate", "4", "--depth", "0,8", "--memory", "0,64"});
  std::set<std::string> names = {"pp16",
                                 "pp32",
                                 "tg4",
                                 "tg4@8",
                                 "pp16+m64",
                                 "pp32+m64",
                                 "tg4+m64",
                                 "tg4@8+m64",
                                 "attention512",
                                 "attention512+m64",
                                 "attention512+m64:m0",
                                 "attention1@511",
                                 "attention1@511+m64",
                                 "attention1@511+m64:m0"};
  for (const std::string pass : {"op1@31", "op16", "op32"}) {
    for (const std::string part : {"q", "kv", "o", "gate_up", "down", "head", "attention", "norms",
                                   "rope", "swiglu", "embedding"}) {
      names.insert(pass + ":" + part);
    }
  }
  expect_tests(rows, names);
  for (const auto& [name, row] : rows) {
    if (!name.starts_with("op")) continue;
    EXPECT_GT(row["more"]["part"], 0.0) << name;
  }
}

TEST(Bench, MeasuresStreamsThatAreDecodedTogether) {
  const auto rows = rows_of({"--shape", "reference", "--tests", "together", "--generate", "4",
                             "--depth", "0,8", "--memory", "0,64", "--streams", "1,3"});
  expect_tests(rows, {"tg4x1", "tg4x3", "tg4x1+m64", "tg4x3+m64", "tg4x1@8", "tg4x3@8",
                      "tg4x1@8+m64", "tg4x3@8+m64"});
  for (const auto& [name, row] : rows) {
    const std::string first = name.substr(0, 4) + "1" + name.substr(5);
    EXPECT_NEAR(row["more"]["times"].get<double>(),
                row["value"].get<double>() / rows.at(first)["value"].get<double>(), 1e-9);
  }
}

TEST(Bench, MeasuresTheBankOfAShape) {
  const auto rows = rows_of({"--shape", "reference", "--tests", "ingest,bank,gather,search",
                             "--ingest", "1024", "--bank-mib", "1", "--gather-mib", "1",
                             "--vectors", "500,1000", "--hnsw-vectors", "500"});
  expect_tests(rows, {"ingest", "ingest:pp", "bank-write", "bank-read", "gather-8", "search-500",
                      "search-1000", "hnsw-500"});
  const double recall = rows.at("hnsw-500")["more"]["recall"];
  EXPECT_GT(recall, 0.9);
  EXPECT_LE(recall, 1.0);
}

TEST(Bench, MeasuresADialogThatGrowsAndHowAModelIsLoaded) {
  const auto rows =
      rows_of({"--model", reference_model(), "--tests", "load,dialog", "--dialog", "1200,600"});
  expect_tests(rows, {"load-first", "load-again", "load-cold", "dialog-600", "dialog-1200"});
  const json& first = rows.at("dialog-600")["more"];
  const json& second = rows.at("dialog-1200")["more"];
  EXPECT_GT(second["read_seconds"], first["read_seconds"].get<double>());
  EXPECT_GT(second["resident_mib"], 1.0);
  EXPECT_GT(rows.at("load-again")["more"]["seconds"], 0.0);
}

TEST(Bench, MeasuresTheMachineAndAStepOfTraining) {
  const auto rows =
      rows_of({"--shape", "reference", "--tests", "machine,train", "--train-rows", "1", "--window",
               "64", "--overlap", "32", "--chunk", "16", "--matmul-side", "256"});
  expect_tests(rows, {"matmul", "read", "train1x64+m192"});
  EXPECT_EQ(rows.at("matmul")["floor"], 0.0);
  EXPECT_GT(rows.at("train1x64+m192")["floor"], 0.0);
  // Three layers above the memory layer, of 0.73 M each, and what learns of that one: not its keys
  // and values.
  EXPECT_NEAR(rows.at("train1x64+m192")["more"]["learning_millions"], 2.886, 0.001);
}

TEST(Bench, WhoStopsItGetsWhatThereIs) {
  const TempFolder folder;
  const std::string out = folder / "out.json";
  BackgroundTool tool("memlong-bench",
                      {"--shape", "reference", "--tests", "machine,dialog", "--dialog", "900000000",
                       "--matmul-side", "64", "--repeat", "1", "--threads", "1", "--json",
                       "--quiet", "--folder", folder.path().string()},
                      {.in = {}, .out = out, .err = folder / "err"});
  const auto in_dialog = [&] {  // its bank is there
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
      if (entry.path().filename() == "data.mdb") return true;
    }
    return false;
  };
  while (!in_dialog() && tool.runs()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(tool.end(SIGTERM), 130);
  const json report = json::parse(read_file(out));
  EXPECT_TRUE(report["stopped"]);
  ASSERT_EQ(report["rows"].size(), 2U);
  EXPECT_EQ(report["rows"][0]["test"], "matmul");
  EXPECT_GT(report["rows"][1]["value"], 0.0);
  EXPECT_EQ(read_file(folder / "err"), "memlong-bench: error: stopped\n");
}

TEST(Bench, MeasuresMoreTokensThanAModelsWindow) {
  const auto rows = rows_of({"--model", reference_model(), "--tests", "prefill,decode", "--prompt",
                             "700", "--depth", "600", "--generate", "4", "--memory", "0"});
  EXPECT_GT(rows.at("pp700")["value"], 0.0);
  EXPECT_GT(rows.at("tg4@600")["value"], 0.0);
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
  EXPECT_EQ(run_tool("memlong-bench", {"--shape", "reference", "--tests", "load"}).code, 2);
}

}  // namespace
}  // namespace memlong::tools_test
