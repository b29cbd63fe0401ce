// What memlong-ingest says while it works and at the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "engine/ingest.h"
#include "membank/bank.h"
#include "tools/common/model_options.h"
#include "tools/common/progress.h"

namespace memlong::ingest_tool {

/// Progress and complaints, on standard error. Thread-safe as far as Progress is.
class Console {
 public:
  /// `problems`: paths that gave nothing; said at once.
  Console(const tools::CommonOptions& common, const std::vector<std::string>& problems);
  void report(const engine::DocumentReport& document);
  void show(const engine::IngestProgress& progress);
  void finish() { progress_.finish(); }

 private:
  bool verbose_;
  Stopwatch watch_;
  tools::Progress progress_;
};

/// --dry-run: one row for each document.
class Plan {
 public:
  explicit Plan(const std::vector<std::string>& problems);
  void add(const engine::DocumentReport& document);
  void print(bool json) const;
  [[nodiscard]] int64_t failed() const { return failed_; }

 private:
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
  int64_t fresh_ = 0;
  int64_t bytes_ = 0;
  int64_t known_ = 0;
  int64_t failed_ = 0;
};

/// The result, on standard output.
void print_summary(const engine::IngestTotals& totals, const membank::Bank& bank, bool json);

}  // namespace memlong::ingest_tool
