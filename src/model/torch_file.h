// What torch.save writes: a ZIP archive with a pickle of the state dict and its raw storages.
#pragma once

#include <filesystem>

#include "model/tensor_file.h"

namespace memlong::model {

/// A torch file (pytorch_model.bin, adapter_model.bin), in the form of torch 1.6 and later. Nothing
/// in it is run: the pickle is read as data, and what is no plain state dict is refused by name.
///
/// The checksum of the pickle is compared, unless torch was told to compute none. Those of the
/// storages are not: that would read all of a file of gigabytes before the first token, where
/// safetensors have no checksum at all; and a bank is bound to the weights' own hash.
///
/// Errors beside TensorFile's: format, for older forms, TorchScript, big-endian files, ZIP archives
/// that are damaged or compressed, pickles that ask for anything else, nested dicts, tensors that
/// do not fit their storages, names that occur twice. Unsupported: other types than f32, f16, bf16,
/// i32, i64, u8; ranks above four; tensors that are not contiguous. Tensors may share a storage.
class TorchFile : public TensorFile {
 public:
  explicit TorchFile(const std::filesystem::path& path);
};

}  // namespace memlong::model
