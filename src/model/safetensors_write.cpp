#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <set>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "model/safetensors.h"

namespace memlong::model {
namespace {

const char* file_name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::bf16:
      return "BF16";
    case DType::f16:
      return "F16";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    case DType::u8:
      return "U8";
  }
  return "";
}

/// A file under another name until commit(); removed when that does not come.
class PendingFile {
 public:
  explicit PendingFile(const std::filesystem::path& target)
      : target_(target), name_(target.string() + ".tmp" + std::to_string(::getpid())) {
    fd_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) fail_errno("cannot create", name_);
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!committed_) ::unlink(name_.c_str());
  }

  void write(const void* data, size_t size) {
    const auto* from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t count = ::write(fd_, from, size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_errno("cannot write", name_);
      from += count;
      size -= static_cast<size_t>(count);
    }
  }

  void commit() {
    if (::fsync(fd_) != 0) fail_errno("cannot sync", name_);
    if (::rename(name_.c_str(), target_.c_str()) != 0) {
      fail_errno("cannot rename to", target_.string());
    }
    committed_ = true;
    const std::filesystem::path parent = target_.parent_path();
    const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY);
    if (folder < 0) return;
    ::fsync(folder);
    ::close(folder);
  }

 private:
  std::filesystem::path target_;
  std::string name_;
  int fd_ = -1;
  bool committed_ = false;
};

using Named = std::pair<std::string, TensorView>;

/// Length and header, padded with spaces so that the data begin at a multiple of 64.
std::string make_header(const std::vector<const Named*>& order,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json root = nlohmann::ordered_json::object();
  if (!metadata.empty()) root["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const Named* item : order) {
    const TensorView& view = item->second;
    std::vector<int64_t> dims;
    for (int i = 0; i < view.rank(); ++i) dims.push_back(view.dim(i));
    root[item->first] = {{"dtype", file_name_of(view.dtype())},
                         {"shape", dims},
                         {"data_offsets", {at, at + view.bytes()}}};
    at += view.bytes();
  }
  std::string text = root.dump();
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, TensorView>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const Named*> order;
  std::set<std::string> seen = {"__metadata__"};
  for (const Named& item : tensors) {
    MEMLONG_CHECK(seen.insert(item.first).second, "two tensors are called " + item.first);
    order.push_back(&item);
  }
  // Wide types first: every tensor stands at a multiple of its element size.
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return dtype_size(a->second.dtype()) > dtype_size(b->second.dtype());
  });
  PendingFile file(path);
  const std::string header = make_header(order, metadata);
  file.write(header.data(), header.size());
  for (const Named* item : order) {
    const TensorView& view = item->second;
    if (view.empty()) continue;
    const Tensor copy = view.contiguous() ? Tensor() : Tensor::copy_of(view);
    file.write(view.contiguous() ? view.raw() : copy.view().raw(), view.bytes());
  }
  file.commit();
}

}  // namespace memlong::model
