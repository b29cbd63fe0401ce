// log.jsonl of a run: a JSON object for each step and each evaluation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

namespace memlong::train_tool {

/// Not thread-safe. A line is on its way to the disk when append() returns.
class RunLog {
 public:
  /// Goes on behind `step`: lines of later steps, which will be done again, and a line that was cut
  /// off are dropped. Errors: io.
  RunLog(std::filesystem::path path, int64_t step);
  /// An evaluation of a step that was made before takes the place of the earlier one. Errors: io.
  void append(const nlohmann::ordered_json& row);

 private:
  void keep(int64_t last, const std::string& gone);

  std::filesystem::path path_;
  std::ofstream file_;
  std::set<std::string> evaluations_;  ///< of before
};

}  // namespace memlong::train_tool
