#include "tools/memlong-train/run_log.h"

#include <vector>

#include "common/error.h"
#include "common/file.h"
#include "tools/common/output.h"

namespace memlong::train_tool {
namespace {

/// "200 held" of an evaluation; "" of a step.
template <class Json>
std::string evaluation_of(const Json& row) {
  const auto name = row.find("evaluation");
  if (name == row.end() || !name->is_string()) return "";
  return std::to_string(row.at("step").template get<int64_t>()) + " " +
         name->template get<std::string>();
}

}  // namespace

RunLog::RunLog(std::filesystem::path path, int64_t step) : path_(std::move(path)) {
  keep(step, "");
}

/// Lines up to step `last` stay: of each evaluation the last one, of `gone` none.
void RunLog::keep(int64_t last, const std::string& gone) {
  std::vector<std::pair<std::string, std::string>> rows;
  std::ifstream old(path_);
  for (std::string line; std::getline(old, line);) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number()) continue;
    if (row["step"].get<int64_t>() > last) continue;
    const std::string name = evaluation_of(row);
    if (!name.empty()) {
      std::erase_if(rows, [&](const auto& other) { return other.first == name; });
      if (name == gone) continue;
      evaluations_.insert(name);
    }
    rows.emplace_back(name, line + "\n");
  }
  old.close();
  std::string kept;
  for (const auto& [name, line] : rows) kept += line;
  file_.close();
  write_file_atomic(path_, kept);
  file_.open(path_, std::ios::app);
  if (!file_) fail_errno("cannot open", path_.string());
}

void RunLog::append(const nlohmann::ordered_json& row) {
  if (const std::string name = evaluation_of(row); evaluations_.erase(name) > 0) {
    keep(row.at("step").get<int64_t>(), name);
  }
  file_ << tools::json_text(row) << '\n';
  if (!file_.flush()) fail_errno("cannot write", path_.string());
}

}  // namespace memlong::train_tool
