// The bank that a request is about, where there is one.
#pragma once

#include "membank/bank.h"

namespace memlong::server {

/// Errors: usage, where there is none.
membank::Bank& need_bank(membank::Bank* bank);
/// Errors: usage, where there is none, or it is open for reading only.
membank::Bank& bank_to_change(membank::Bank* bank);

}  // namespace memlong::server
