// The end of a file of packed weights: what lies where, and how to find that out.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/packed_file.h"

namespace memlong::engine {

inline constexpr size_t kPackedPage = 4096;

/// Index and trailer, as they stand behind the weights.
std::string packed_index(const PackedAbout& about, const std::vector<PackedEntry>& entries);

struct PackedIndex {
  PackedAbout about;
  std::vector<PackedEntry> entries;  ///< inside the file, each
};

/// Reads them back. Errors: format, naming `path`.
PackedIndex read_packed_index(std::span<const std::byte> file, const std::filesystem::path& path);

}  // namespace memlong::engine
