// Named tensors of a mapped file: what safetensors and torch files have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/file.h"
#include "tensor/tensor.h"

namespace memlong::model {

/// An element type as a file names it. No `dtype`: memlong has none that is the same.
struct FileType {
  const char* name;
  uint64_t size;  ///< bytes of an element
  std::optional<DType> dtype;
};

/// A mapped, validated file. Views point into the mapping (alignment is not guaranteed) and live as
/// long as this object. Thread-safe for reading; movable. Tensors of a type, rank or layout that
/// memlong has not are listed, and refused (format) only when asked for.
class TensorFile {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> names() const;  ///< sorted
  [[nodiscard]] bool contains(const std::string& name) const;
  /// It is there, and of a type, rank and layout that get() returns.
  [[nodiscard]] bool readable(const std::string& name) const;
  /// Errors: format, naming file and tensor.
  [[nodiscard]] TensorView get(const std::string& name) const;

 protected:
  /// Errors: io; format for a Git LFS pointer.
  explicit TensorFile(const std::filesystem::path& path);
  TensorFile(TensorFile&&) noexcept = default;
  TensorFile& operator=(TensorFile&&) noexcept = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;
  ~TensorFile() = default;

  [[nodiscard]] std::span<const std::byte> bytes() const { return file_.bytes(); }
  /// "PATH: WHAT" as Error{format}.
  [[noreturn]] void broken(const std::string& what) const;
  /// A contiguous tensor at `data`, which lies in the mapping. A scalar is read as one element.
  void add(const std::string& name, const std::byte* data, const FileType& type,
           const std::vector<uint64_t>& dims);
  void add_unsupported(const std::string& name, const std::string& why);

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> unsupported_;
};

/// The bytes of `dims` elements of `size` bytes. A product that overflows is refused, and so is one
/// that only an extent of 0 keeps small: strides are products too. Errors: format, after `where`.
uint64_t bytes_needed(const std::vector<uint64_t>& dims, uint64_t size, const std::string& where);

/// A torch file, where the name ends in .bin, .pt or .pth; else a safetensors file. Errors: theirs.
std::shared_ptr<const TensorFile> open_tensor_file(const std::filesystem::path& path);

}  // namespace memlong::model
