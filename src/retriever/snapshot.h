// The file that an index leaves between two runs. Internal to the retriever.
//
// Little-endian: magic "memlidx1", version u32, kind u32, dim u64, rows u64, generation u64,
// next id u64, key length u64, payload length u64, key, ids u64 [rows], dead u8 [rows], payload
// (FAISS' own bytes), CRC-32C u32 of everything before it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/file.h"
#include "retriever/index.h"

namespace memlong::retriever {

struct SnapshotHeader {
  IndexKind kind = IndexKind::flat;
  int64_t dim = 0;
  uint64_t generation = 0;
  std::string key;
  uint64_t next_id = 0;  ///< one more than the largest id that was ever added
};

struct Snapshot {
  MappedFile file;
  SnapshotHeader header;
  std::vector<uint64_t> ids;  ///< rising
  std::vector<uint8_t> dead;  ///< 0 or 1
  std::string_view payload;   ///< lies in `file`
};

/// Replaces `path` atomically. Errors: io.
void write_snapshot(const std::filesystem::path& path, const SnapshotHeader& header,
                    std::span<const uint64_t> ids, std::span<const uint8_t> dead,
                    std::string_view payload);

/// Nothing when the file is missing, damaged, or not of `wanted` kind and dimension, or when its
/// key does not begin with that one (the rest, and the generation, are the caller's to judge).
/// Allocates no more than the file's size. Errors: io.
std::optional<Snapshot> read_snapshot(const std::filesystem::path& path,
                                      const SnapshotHeader& wanted);

}  // namespace memlong::retriever
