#include <nlohmann/json.hpp>

#include "common/error.h"
#include "membank/retention.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

int run_prune(const BankArguments& arguments) {
  membank::RetentionBudget budget;
  budget.policy = membank::parse_retention(arguments.policy);
  budget.chunks = arguments.budget_chunks;
  budget.bytes = arguments.budget_bytes;
  if (budget.chunks == 0 && budget.bytes == 0) {
    fail(ErrorKind::usage, "prune needs a budget: --budget-chunks N or --budget-bytes SIZE");
  }
  const auto mode = arguments.dry_run ? membank::OpenMode::read : membank::OpenMode::write;
  const auto bank = open_bank(arguments.bank, mode);
  membank::Removed removed = membank::apply_retention(*bank, budget, true);
  if (!arguments.dry_run && removed.chunks > 0) {
    confirm(arguments, "prune",
            "Remove " + counted(removed.chunks, "chunk") + " (" + counted(removed.tokens, "token") +
                ")?");
    removed = membank::apply_retention(*bank, budget, false);
  }
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
