// Small runs of memlong-train.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "tools/run_tool.h"

namespace memlong::tools_test {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

inline const std::string kDialogs = test::data_dir() + "/recall/recall-2k.jsonl";

inline std::vector<json> read_lines(const fs::path& path) {
  std::ifstream file(path);
  std::vector<json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

inline std::vector<json> steps_of(const fs::path& run) {
  std::vector<json> rows = read_lines(run / "log.jsonl");
  std::erase_if(rows, [](const json& row) { return row.contains("evaluation"); });
  return rows;
}

/// Without the bytes in the message.
inline bool same(const fs::path& a, const fs::path& b) { return slurp(a) == slurp(b); }

class TrainTool : public testing::Test {
 protected:
  void SetUp() override {
    if (!tool_exists("memlong-train")) GTEST_SKIP() << "memlong-train is not built";
    const std::string novel = slurp(test::source_dir() + "/examples/novel.txt");
    (void)folder_.write("texts/a.txt", novel.substr(0, 40000));
    (void)folder_.write("held.txt", novel.substr(100000, 8000));
  }

  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }

  /// Options of a small run of the reference model into the folder `out`.
  [[nodiscard]] std::vector<std::string> words(const std::string& out, const std::string& part,
                                               std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {"run",
                                    "--model",
                                    reference_model(),
                                    "--train",
                                    part,
                                    "--out",
                                    folder_ / out,
                                    "--rows",
                                    "2",
                                    "--span",
                                    "64",
                                    "--past",
                                    "64",
                                    "--steps",
                                    "4",
                                    "--warmup",
                                    "1",
                                    "--lr",
                                    "1e-3",
                                    "--decay",
                                    "constant",
                                    "--no-peak",
                                    "--data",
                                    "text:" + folder_ / "texts",
                                    "--data",
                                    "dialogs:" + kDialogs + ":2"};
    all.insert(all.end(), {"--window", "128", "--overlap", "64"});
    if (part == "lora") all.insert(all.end(), {"--lora-rank", "4"});
    if (part == "upper") all.insert(all.end(), {"--adapter", "none"});
    if (part == "all") all.insert(all.end(), {"--adapter", "none", "--form", "pairs"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  ToolResult train(const std::string& out, const std::string& part,
                   const std::vector<std::string>& more = {}) const {
    return run_tool("memlong-train", words(out, part, more));
  }

  TempFolder folder_;
};

/// One line on standard error, and the exit code.
inline void expect_error(const ToolResult& result, int code, const std::string& what) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_THAT(result.err, testing::StartsWith("memlong-train: error: "));
  EXPECT_THAT(result.err, HasSubstr(what));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

}  // namespace memlong::tools_test
