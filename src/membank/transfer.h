// Moves documents with their chunks between banks of the same fingerprint, without encoding again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "membank/bank.h"

namespace memlong::membank {

/// A document of the source that the target does not have as the source has it.
struct LeftOut {
  DocumentId id = 0;  ///< in the source
  std::string name_space;
  std::string name;
  std::string why;  ///< a record that is damaged, or a dialog of the same name
};

struct TransferResult {
  int64_t documents = 0;
  int64_t skipped = 0;  ///< known already (texts by content, dialogs by namespace and name)
  int64_t chunks = 0;
  int64_t tokens = 0;
  std::vector<LeftOut> left_out;
};

/// Copies all documents of `name_spaces` (empty: all) from one bank to another: chunks, vectors,
/// K and V bit for bit, text, turns, times, use counts, blobs the target lacks. A document appears
/// complete or not at all. What is copied is the source as it is when this begins; it may be
/// written meanwhile. A dialog that went on in the source since it was copied replaces the copy,
/// unless that went on, too. Errors: mismatch, naming the field of the fingerprint, or for banks
/// whose `sif` parameters differ: their vectors cannot be compared.
TransferResult copy_documents(
    const Bank& from, Bank& to, const std::vector<std::string>& name_spaces,
    const std::function<void(int64_t done, int64_t total)>& progress = {});

}  // namespace memlong::membank
