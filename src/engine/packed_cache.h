// Which file keeps the packed weights of a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/packed_file.h"
#include "tensor/dtype.h"

namespace memlong::engine {

/// What packed weights, and the hash of the writer, depend on.
struct PackedSource {
  std::filesystem::path model;    ///< folder
  std::filesystem::path adapter;  ///< folder or file; empty: none
  DType dtype = DType::bf16;
  int64_t memory_layer = 0;
};

struct PackedCacheOptions {
  std::filesystem::path folder;  ///< empty: nothing is kept
  int64_t min_bytes = 0;         ///< models with smaller weights are packed at every start
};

/// One file for each source. It is taken as long as every file that it was packed from has the
/// place, size and time that it had. What goes wrong with it is a line in the log, never an error:
/// the weights are packed anew. Not thread-safe; processes may share a folder.
class PackedCache {
 public:
  PackedCache(PackedCacheOptions options, const PackedSource& source);

  /// The file, when it is there and not out of date.
  [[nodiscard]] std::unique_ptr<PackedFileReader> find() const;
  /// To pack into; null when nothing is to be kept, or there is no room for it.
  [[nodiscard]] std::unique_ptr<PackedFileWriter> make() const;
  /// Keeps what was packed. `writer`: model::writer_hash, hex.
  void keep(PackedFileWriter& packed, const std::string& writer) const;

 private:
  PackedCacheOptions options_;
  std::filesystem::path path_;
  std::string key_;
  int64_t source_bytes_ = 0;
  int64_t most_packed_bytes_ = 0;
};

}  // namespace memlong::engine
