// Moves documents with their chunks between banks of the same fingerprint, without encoding again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "membank/bank.h"

namespace memlong::membank {

struct TransferResult {
  int64_t documents = 0;
  int64_t skipped = 0;  ///< known already (texts by content, dialogs by namespace and name)
  int64_t chunks = 0;
  int64_t tokens = 0;
};

/// Copies all documents of `name_spaces` (empty: all) from one bank to another: chunks, vectors,
/// K and V bit for bit, text, turns, times, use counts, blobs the target lacks. A document appears
/// complete or not at all. Errors: mismatch, naming the field.
TransferResult copy_documents(
    const Bank& from, Bank& to, const std::vector<std::string>& name_spaces,
    const std::function<void(int64_t done, int64_t total)>& progress = {});

}  // namespace memlong::membank
