// Documents with keys and values from one bank to another: export --kv and import.
#pragma once

#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

/// Copies into the bank in folder `to`, which is made when it is not there, and reports. Exit code
/// 1 when a document could not be copied.
int run_transfer(const membank::Bank& from, const std::filesystem::path& to,
                 const BankArguments& arguments);

}  // namespace memlong::bank_tool
