// Whether LMDB can be let at a data file. It follows damaged numbers wherever they lead, and its
// two meta pages and its trees carry no checksums: so they are checked against each other first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "membank/pages.h"

namespace memlong::membank {

/// What cannot be in the two meta pages, "" when they are sound. `head` is the file's beginning, at
/// least two pages of it.
std::string meta_damage(std::span<const std::byte> head);

/// Looks at the meta pages of a file, a second time where a writer may just have been at them.
/// Errors: corrupt, io.
void check_meta_pages(const std::filesystem::path& file);

/// Whether a file is what is left of a bank whose making was cut short: sound, and without
/// manifest.
bool never_became_a_bank(const std::filesystem::path& file);

/// The size that the newest commit gave the map.
size_t map_bytes_of(const std::filesystem::path& file);

struct TreeDamage {
  bool gone = false;  ///< no meta page speaks of the transaction: look again
  std::string what;   ///< the first that was found, "" when the trees are sound
};

/// Walks all trees of a transaction, free pages too. Of records, only those of `doc_names` and
/// `doc_hashes` are checked, and `state`: the other meta page must not know a later one (then this
/// meta page is an older one whose number was changed).
TreeDamage find_damage(std::span<const std::byte> file, uint64_t transaction, Look look);

}  // namespace memlong::membank
