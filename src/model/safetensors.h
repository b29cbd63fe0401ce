// The safetensors format: 8 bytes little-endian header length, JSON header, tensor data.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/file.h"
#include "tensor/tensor.h"

namespace memlong::model {

/// A mapped, validated file. Views point into the mapping (alignment is not guaranteed) and live as
/// long as this object. Thread-safe for reading; movable. Errors: io; format, with file and tensor,
/// for a header that is too long, no JSON, has overlaps, holes, offsets past the end, duplicate
/// names, sizes that do not fit shape and dtype. F64 and 8-bit float tensors are listed as
/// unsupported only when asked for.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> names() const;  ///< sorted
  [[nodiscard]] bool contains(const std::string& name) const;
  /// It is there, and of a dtype and rank that get() returns.
  [[nodiscard]] bool readable(const std::string& name) const;
  [[nodiscard]] TensorView get(const std::string& name) const;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> unsupported_;
  std::map<std::string, std::string> metadata_;
};

/// Writes contiguous CPU tensors; the file appears complete or not at all.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, TensorView>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace memlong::model
