// Files: mapped for reading, read whole, replaced atomically.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace memlong {

/// A whole file mapped read-only. Thread-safe for reading; movable. Errors: io.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// The content of a file; a file longer than `limit` bytes is refused (format).
std::string read_file(const std::filesystem::path& path, size_t limit = size_t{1} << 30);

/// Writes beside the target, syncs, renames: after a crash the old or the new content is there.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

/// What was created, renamed or removed in the folder is on the disk then. False, with errno, where
/// that is not certain.
bool sync_folder(const std::filesystem::path& folder);

}  // namespace memlong
