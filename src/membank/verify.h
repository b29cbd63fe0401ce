// Reads everything and says what is bad.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "membank/bank.h"
#include "membank/lmdb_env.h"

namespace memlong::membank {

/// Walks the pages of the data file itself, with every length and page number checked, so that
/// damage anywhere is a finding and never a crash. Then cross-checks the records.
std::vector<BadRecord> verify_bank(
    const std::shared_ptr<Env>& env, const Fingerprint& fingerprint,
    const std::function<void(int64_t done, int64_t total)>& progress);

}  // namespace memlong::membank
