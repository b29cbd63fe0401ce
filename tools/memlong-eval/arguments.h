// What memlong-eval was asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/model_options.h"

namespace memlong::eval_tool {

struct Arguments {
  tools::CommonOptions common;
  // ppl
  std::vector<std::filesystem::path> texts;
  std::vector<std::string> lengths = {"512", "1024", "2048", "4096", "16384", "65536"};
  std::vector<std::string> memory = {"on", "off", "random"};
  std::string query = "past";
  int64_t last = 256;
  int64_t places = 4;
  uint64_t seed = 1;
  // recall
  std::vector<std::filesystem::path> dialogs;
  std::string protocol = "question";
  bool no_memory = false;
  bool oracle = false;
  bool dense = false;
  int64_t limit = 0;
  std::filesystem::path rows;
  // logits
  std::filesystem::path ids;
  std::filesystem::path out;
};

int run_ppl(const Arguments& arguments);
int run_recall(const Arguments& arguments);
int run_logits(const Arguments& arguments);

}  // namespace memlong::eval_tool
