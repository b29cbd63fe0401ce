// A file of packed weights (docs/formats/packed.md), mapped where they are used. Packing writes it;
// the next start maps it and packs nothing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/file.h"
#include "ops/packed_storage.h"
#include "tensor/context.h"

namespace memlong::engine {

/// What a file says of itself.
struct PackedAbout {
  std::string key;     ///< of what it was packed from
  std::string writer;  ///< model::writer_hash of that, hex
};

/// Where a weight lies in the file.
struct PackedEntry {
  size_t offset = 0;  ///< a whole number of pages
  size_t bytes = 0;
  std::string layout;
};

/// Packs into a file, which is not there before keep(). What was packed stays usable when this is
/// gone, kept or not. Not thread-safe.
class PackedFileWriter : public ops::PackedStorage {
 public:
  /// Takes room for so many bytes, until keep() gives back what is left of them; removes what
  /// writers left that were killed. Errors: capacity, when the disk is full; io.
  PackedFileWriter(const std::filesystem::path& path, size_t most_bytes);
  PackedFileWriter(const PackedFileWriter&) = delete;
  PackedFileWriter& operator=(const PackedFileWriter&) = delete;
  ~PackedFileWriter() override;
  /// Errors: capacity, when it is more than was spoken of.
  Place next(size_t bytes, const std::string& layout) override;
  /// Makes the file: whole, on disk, in the place of any other of its name. Nothing can change what
  /// was packed from now on. Errors: capacity, io.
  void keep(const PackedAbout& about);
  [[nodiscard]] size_t bytes() const { return end_; }

 private:
  void take_room();
  void give_up();
  void append(const std::string& text);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int file_ = -1;
  size_t room_ = 0;
  size_t end_ = 0;
  std::shared_ptr<std::byte> memory_;
  std::vector<PackedEntry> entries_;
};

/// The weights of a file in the order in which they were packed; who needs no more may stop before
/// the last. Not thread-safe.
class PackedFileReader : public ops::PackedStorage {
 public:
  /// Errors: io; format, for a file that is not whole.
  explicit PackedFileReader(const std::filesystem::path& path);
  [[nodiscard]] const PackedAbout& about() const { return about_; }
  /// Errors: mismatch, when another weight is asked for than was packed there.
  Place next(size_t bytes, const std::string& layout) override;
  /// Brings into main memory what next() has given, on the context's threads, so that the first
  /// product need not wait for the disk.
  void fetch(const Context& context) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  PackedAbout about_;
  std::vector<PackedEntry> entries_;
  size_t given_ = 0;
};

}  // namespace memlong::engine
