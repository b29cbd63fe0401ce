// log.jsonl of a run: a JSON object for each step and each evaluation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace memlong::train_tool {

/// Not thread-safe. A line is on its way to the disk when append() returns.
class RunLog {
 public:
  /// Goes on behind `step`: lines of later steps, which will be done again, and a line that was cut
  /// off are dropped. Errors: io.
  RunLog(std::filesystem::path path, int64_t step);
  void append(const nlohmann::ordered_json& row);  ///< Errors: io

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace memlong::train_tool
