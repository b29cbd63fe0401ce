#include <charconv>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "membank/retention.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {
namespace {

/// "1500000", "64KiB", "1.5 GiB"; K, M, G and T alone count as KiB and so on.
int64_t parse_size(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  std::string unit(stop, end);
  std::erase(unit, ' ');
  const std::string kUnits = "KMGT";
  double factor = 1;
  if (!unit.empty() && unit != "B") {
    const size_t power = kUnits.find(unit[0]);
    const std::string rest = unit.substr(1);
    const bool known = power != std::string::npos && (rest.empty() || rest == "iB" || rest == "B");
    factor = known ? 0x1p10 : 0;
    for (size_t i = 0; known && i < power; ++i) factor *= rest == "B" ? 1000 : 1024;
    if (known && rest == "B") factor *= 1000.0 / 1024.0;
  }
  if (error != std::errc() || factor == 0 || number < 1 || number * factor > 9e18) {
    fail(ErrorKind::usage, "--budget-bytes: '" + text + "' is no size; 1500000, 64MiB and 2GB are");
  }
  return static_cast<int64_t>(number * factor);
}

}  // namespace

int run_prune(const BankArguments& arguments) {
  membank::RetentionBudget budget;
  budget.policy = membank::parse_retention(arguments.policy);
  budget.chunks = arguments.budget_chunks;
  if (!arguments.budget_bytes.empty()) budget.bytes = parse_size(arguments.budget_bytes);
  if (budget.chunks == 0 && budget.bytes == 0) {
    fail(ErrorKind::usage, "prune needs a budget: --budget-chunks N or --budget-bytes SIZE");
  }
  const auto mode = arguments.dry_run ? membank::OpenMode::read : membank::OpenMode::write;
  const auto bank = open_bank(arguments.bank, mode);
  const membank::Removed removed = membank::apply_retention(*bank, budget, arguments.dry_run);
  const int64_t left = bank->snapshot()->stats().chunks - (arguments.dry_run ? removed.chunks : 0);
  if (arguments.common.json) {
    nlohmann::ordered_json json = removed_json(removed);
    json["chunks_left"] = left;
    json["policy"] = arguments.policy;
    json["dry_run"] = arguments.dry_run;
    tools::print_json(json);
  } else if (removed.chunks == 0) {
    tools::print_out("within the budget: nothing to remove, " + counted(left, "chunk") + "\n");
  } else {
    tools::print_out((arguments.dry_run ? "would remove " : "removed ") +
                     counted(removed.chunks, "chunk") + ", " + counted(removed.tokens, "token") +
                     "; " + counted(left, "chunk") + (arguments.dry_run ? " would stay" : " left") +
                     "\n");
  }
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
