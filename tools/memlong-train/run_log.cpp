#include "tools/memlong-train/run_log.h"

#include "common/error.h"
#include "common/file.h"
#include "tools/common/output.h"

namespace memlong::train_tool {

RunLog::RunLog(std::filesystem::path path, int64_t step) : path_(std::move(path)) {
  std::string kept;
  std::ifstream old(path_);
  for (std::string line; std::getline(old, line);) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number()) continue;
    if (row["step"].get<int64_t>() <= step) kept += line + "\n";
  }
  old.close();
  write_file_atomic(path_, kept);
  file_.open(path_, std::ios::app);
  if (!file_) fail_errno("cannot open", path_.string());
}

void RunLog::append(const nlohmann::ordered_json& row) {
  file_ << tools::json_text(row) << '\n';
  if (!file_.flush()) fail_errno("cannot write", path_.string());
}

}  // namespace memlong::train_tool
