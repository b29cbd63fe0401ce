#include <nlohmann/json.hpp>

#include "engine/memory.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

int run_compact(const BankArguments& arguments) {
  const auto bank = open_bank(arguments.bank, membank::OpenMode::write);
  const int64_t before = bank->snapshot()->stats().bytes;
  bank->compact();
  engine::drop_index_snapshots(arguments.bank);
  const int64_t after = bank->snapshot()->stats().bytes;
  if (arguments.common.json) {
    tools::print_json({{"bytes_before", before}, {"bytes", after}});
  } else {
    tools::print_out(tools::human_bytes(static_cast<double>(before)) + " before, " +
                     tools::human_bytes(static_cast<double>(after)) + " now\n");
  }
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
