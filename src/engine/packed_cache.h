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
  int threads = 0;  ///< of the context that packs: the layout may depend on it
};

struct PackedCacheOptions {
  std::filesystem::path folder;  ///< empty: nothing is kept
  int64_t min_bytes = 0;         ///< models with smaller weights are packed at every start
};

/// One file for each source. It is taken as long as every file that it was packed from has the
/// place, size and times that it had when this object was made, so make it before they are opened.
/// What goes wrong is a line in the log, never an error: the weights are packed anew. Not
/// thread-safe; processes may share a folder.
class PackedCache {
 public:
  PackedCache(PackedCacheOptions options, PackedSource source);

  /// The file, when it is there and not out of date.
  [[nodiscard]] std::unique_ptr<PackedFileReader> find() const;
  /// To pack into; null when nothing is to be kept, or there is no room for it.
  [[nodiscard]] std::unique_ptr<PackedFileWriter> make() const;
  /// Keeps what was packed. `writer`: model::writer_hash, hex. False when it could not be written
  /// or the sources have changed: then what lies in the file's memory must not be used either.
  [[nodiscard]] bool keep(PackedFileWriter& packed, const std::string& writer) const;
  /// Whether the sources are still what they were.
  [[nodiscard]] bool unchanged() const;

 private:
  [[nodiscard]] std::string source_key(int64_t& weight_bytes) const;

  PackedCacheOptions options_;
  PackedSource source_;
  std::filesystem::path path_;
  std::string key_;
  int64_t source_bytes_ = 0;
};

}  // namespace memlong::engine
