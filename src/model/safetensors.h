// The safetensors format: 8 bytes little-endian header length, JSON header, tensor data.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/tensor_file.h"
#include "tensor/tensor.h"

namespace memlong::model {

/// A safetensors file. Errors beside TensorFile's: format, with file and tensor, for a header that
/// is too long, no JSON, has overlaps, holes, offsets past the end, duplicate names, sizes that do
/// not fit shape and dtype. Unsupported: F64, 8-bit floats, complex and narrow or unsigned
/// integers; ranks above four.
class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::map<std::string, std::string> metadata_;
};

/// Writes contiguous CPU tensors; the file appears complete or not at all.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, TensorView>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace memlong::model
