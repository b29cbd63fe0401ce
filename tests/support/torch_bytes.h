// Bytes of torch files, as torch.save writes them, without torch: a ZIP archive of stored entries
// and a pickle. What no writer would write is put together from the same parts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/pickle_opcodes.h"
#include "model/zip_file.h"
#include "tensor/tensor.h"

namespace memlong::test {

template <class T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

inline uint32_t crc_of(std::string_view text) {
  return model::crc32(std::as_bytes(std::span(text.data(), text.size())));
}

/// Name and content.
using ZipFiles = std::vector<std::pair<std::string, std::string>>;

/// A ZIP archive whose data begin at multiples of 64. As torch does it, local headers have neither
/// sizes nor checksums. `wide`: every number that may stand in ZIP64 fields does.
inline std::string zip_bytes(const ZipFiles& files, bool wide = false) {
  std::string out;
  std::string directory;
  for (const auto& [name, content] : files) {
    const uint64_t begin = out.size();
    const auto name_size = static_cast<uint16_t>(name.size());
    const auto extra = static_cast<uint16_t>(63 - (begin + 30 + name.size() + 63) % 64);
    const std::string kind = le<uint16_t>(0x808) + le<uint16_t>(0) + le<uint32_t>(0);  // stored
    out += "PK\3\4" + le<uint16_t>(0) + kind + std::string(12, '\0') + le(name_size) + le(extra) +
           name + std::string(extra, '\0') + content;
    const uint64_t size = content.size();
    const auto narrow = [&](uint64_t value) { return le(wide ? ~0U : uint32_t(value)); };
    directory += "PK\1\2" + le<uint32_t>(0) + kind + le(crc_of(content)) + narrow(size) +
                 narrow(size) + le(name_size) + le<uint16_t>(wide ? 28 : 0) +
                 std::string(10, '\0') + narrow(begin) + name;
    if (wide) directory += le<uint16_t>(1) + le<uint16_t>(24) + le(size) + le(size) + le(begin);
  }
  const uint64_t at = out.size();
  const uint64_t count = files.size();
  const uint64_t size = directory.size();
  out += directory;
  const uint64_t end64 = out.size();
  out += "PK\6\6" + le<uint64_t>(44) + le<uint32_t>(0) + le<uint64_t>(0) + le(count) + le(count) +
         le(size) + le(at) + "PK\6\7" + le<uint32_t>(0) + le(end64) + le<uint32_t>(1);
  out += "PK\5\6" + le<uint32_t>(0);
  for (int i = 0; i < 2; ++i) out += le<uint16_t>(wide ? 0xFFFF : uint16_t(count));
  return out + le(wide ? ~0U : uint32_t(size)) + le(wide ? ~0U : uint32_t(at)) + le<uint16_t>(0);
}

/// Pieces of a pickle, one after the other.
class PickleBytes {
 public:
  using Op = model::Opcode;

  PickleBytes& op(Op opcode) { return raw(std::string(1, static_cast<char>(opcode))); }
  PickleBytes& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleBytes& proto(uint8_t version = 2) { return op(Op::proto).raw(le(version)); }
  PickleBytes& text(std::string_view text) {
    return op(Op::binunicode).raw(le(static_cast<uint32_t>(text.size()))).raw(text);
  }
  PickleBytes& global(std::string_view module, std::string_view name) {
    return op(Op::global).raw(module).raw("\n").raw(name).raw("\n");
  }
  PickleBytes& integer(int64_t value) { return op(Op::long1).raw(le<uint8_t>(8)).raw(le(value)); }
  PickleBytes& integers(const std::vector<int64_t>& values) {
    op(Op::mark);
    for (const int64_t value : values) integer(value);
    return op(Op::tuple);
  }
  PickleBytes& ordered_dict() {
    return global("collections", "OrderedDict").op(Op::empty_tuple).op(Op::reduce);
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// How a pickle speaks of a tensor.
struct TorchDescription {
  std::string storage_class = "FloatStorage";
  std::string key = "0";
  int64_t elements = 0;  ///< of the storage
  int64_t offset = 0;
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
};

inline PickleBytes& put_tensor(PickleBytes& pickle, const TorchDescription& tensor) {
  using Op = model::Opcode;
  pickle.global("torch._utils", "_rebuild_tensor_v2").op(Op::mark).op(Op::mark).text("storage");
  pickle.global("torch", tensor.storage_class).text(tensor.key).text("cpu");
  pickle.integer(tensor.elements).op(Op::tuple).op(Op::binpersid).integer(tensor.offset);
  pickle.integers(tensor.dims).integers(tensor.strides).op(Op::newfalse).ordered_dict();
  return pickle.op(Op::tuple).op(Op::reduce);
}

/// The pickle of an OrderedDict of tensors.
inline std::string state_dict_pickle(
    const std::vector<std::pair<std::string, TorchDescription>>& tensors) {
  PickleBytes pickle;
  pickle.proto().ordered_dict().op(model::Opcode::mark);
  for (const auto& [name, tensor] : tensors) put_tensor(pickle.text(name), tensor);
  return pickle.op(model::Opcode::setitems).op(model::Opcode::stop).bytes();
}

/// The archive that holds this pickle and these storages, the first of which has the key 0.
inline std::string torch_bytes(const std::string& pickle,
                               const std::vector<std::string>& storages) {
  ZipFiles files = {{"archive/data.pkl", pickle}, {"archive/byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) {
    files.emplace_back("archive/data/" + std::to_string(i), storages[i]);
  }
  files.emplace_back("archive/version", "3\n");
  return zip_bytes(files);
}

/// The same of contiguous tensors on the CPU, each with a storage of its own.
inline std::string torch_bytes(const std::vector<std::pair<std::string, TensorView>>& tensors) {
  static constexpr const char* kClasses[] = {"FloatStorage", "BFloat16Storage", "HalfStorage",
                                             "IntStorage",   "LongStorage",     "ByteStorage"};
  std::vector<std::pair<std::string, TorchDescription>> described;
  std::vector<std::string> storages;
  for (const auto& [name, view] : tensors) {
    TorchDescription tensor{.storage_class = kClasses[static_cast<size_t>(view.dtype())],
                            .key = std::to_string(storages.size()),
                            .elements = view.elements()};
    for (int i = 0; i < view.rank(); ++i) {
      tensor.dims.push_back(view.dim(i));
      tensor.strides.push_back(view.stride(i));
    }
    described.emplace_back(name, tensor);
    storages.emplace_back(static_cast<const char*>(view.raw()), view.bytes());
  }
  return torch_bytes(state_dict_pickle(described), storages);
}

}  // namespace memlong::test
