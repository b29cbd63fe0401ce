// Steps of copying one document to another bank (transfer.h).
#pragma once

#include <string>
#include <vector>

#include "membank/bank.h"

namespace memlong::membank {

/// Thrown for a document that cannot be copied, while others can.
struct Unreadable {
  std::string what;
};

/// What the target has of a document.
struct Standing {
  bool known = false;
  DocumentId replaces = 0;    ///< an older state of it: goes when the copy is whole
  std::string conflict = {};  ///< another dialog has its name
};

/// An unfinished text makes way for a finished one, a dialog for the same one that went on.
/// Throws Unreadable.
Standing standing_of(const Snapshot& source, const Document& document, const Snapshot& to);

/// Turns and text. Throws Unreadable.
void copy_text(const Snapshot& source, const Document& document, Transaction& to, DocumentId copy);

/// The chunks of a document, as many as it speaks of, each in its place. Throws Unreadable.
std::vector<ChunkInfo> chunks_to_copy(const Snapshot& source, const Document& document,
                                      int64_t chunk_tokens);

/// Throws Unreadable.
void copy_chunk(const Snapshot& source, const Fingerprint& fingerprint, const ChunkInfo& info,
                Transaction& to, DocumentId copy);

}  // namespace memlong::membank
