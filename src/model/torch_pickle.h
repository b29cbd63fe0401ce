// The pickle of a torch file: which tensors there are, and where in which storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tensor_file.h"

namespace memlong::model {

/// A tensor as the pickle describes it. Views point into the pickle's bytes.
struct TorchTensor {
  std::string_view name;
  const FileType* type = nullptr;  ///< lives as long as the program
  std::string_view storage;        ///< its key: the entry data/KEY
  uint64_t storage_bytes = 0;
  uint64_t begin = 0;  ///< in bytes from the storage's begin
  std::vector<uint64_t> dims;
  bool contiguous = true;
};

/// The tensors of a state dict (a dict or OrderedDict from names to tensors or parameters), in its
/// order. All lie inside their storages. Globals other than torch's storages, _rebuild_tensor_v2,
/// _rebuild_parameter and OrderedDict are refused. Thread-safe. Errors: format, beginning with
/// `origin`.
std::vector<TorchTensor> parse_state_dict(std::span<const std::byte> pickle,
                                          const std::string& origin);

}  // namespace memlong::model
