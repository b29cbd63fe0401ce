#include "model/tensor_file.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "common/error.h"
#include "model/safetensors.h"
#include "model/torch_file.h"

namespace memlong::model {
namespace {

static_assert(std::endian::native == std::endian::little, "files of tensors are little-endian");

/// Up to four extents; a scalar is read as one element.
Shape make_shape(const std::vector<uint64_t>& dims) {
  const auto at = [&](size_t i) { return static_cast<int64_t>(dims[i]); };
  switch (dims.size()) {
    case 0:
      return {1};
    case 1:
      return {at(0)};
    case 2:
      return {at(0), at(1)};
    case 3:
      return {at(0), at(1), at(2)};
    default:
      return {at(0), at(1), at(2), at(3)};
  }
}

}  // namespace

TensorFile::TensorFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const auto* text = reinterpret_cast<const char*>(bytes().data());
  if (std::string_view(text, bytes().size()).starts_with("version https://git-lfs")) {
    broken("is a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'");
  }
}

void TensorFile::broken(const std::string& what) const {
  fail(ErrorKind::format, path_.string() + ": " + what);
}

void TensorFile::add(const std::string& name, const std::byte* data, const FileType& type,
                     const std::vector<uint64_t>& dims) {
  if (!type.dtype || dims.size() > Shape::kMaxRank) {
    add_unsupported(name, std::string(type.name) + " of rank " + std::to_string(dims.size()));
    return;
  }
  tensors_[name] = TensorView(const_cast<std::byte*>(data), *type.dtype, make_shape(dims));
}

void TensorFile::add_unsupported(const std::string& name, const std::string& why) {
  unsupported_[name] = why;
}

std::vector<std::string> TensorFile::names() const {
  std::vector<std::string> all;
  for (const auto& [name, view] : tensors_) all.push_back(name);
  for (const auto& [name, why] : unsupported_) all.push_back(name);
  std::sort(all.begin(), all.end());
  return all;
}

bool TensorFile::contains(const std::string& name) const {
  return tensors_.contains(name) || unsupported_.contains(name);
}

bool TensorFile::readable(const std::string& name) const { return tensors_.contains(name); }

TensorView TensorFile::get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  const auto odd = unsupported_.find(name);
  if (odd != unsupported_.end()) {
    broken("tensor " + name + " is " + odd->second + ", which is not supported");
  }
  broken("has no tensor " + name);
}

uint64_t bytes_needed(const std::vector<uint64_t>& dims, uint64_t size, const std::string& where) {
  uint64_t count = size;
  bool none = false;
  for (const uint64_t dim : dims) {
    none = none || dim == 0;
    if (__builtin_mul_overflow(count, std::max<uint64_t>(dim, 1), &count) ||
        count > uint64_t{INT64_MAX}) {
      fail(ErrorKind::format, where + ": its shape is impossibly large");
    }
  }
  return none ? 0 : count;
}

std::shared_ptr<const TensorFile> open_tensor_file(const std::filesystem::path& path) {
  const std::filesystem::path kind = path.extension();
  if (kind == ".bin" || kind == ".pt" || kind == ".pth") {
    return std::make_shared<const TorchFile>(path);
  }
  return std::make_shared<const SafetensorsFile>(path);
}

}  // namespace memlong::model
