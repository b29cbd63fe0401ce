#include "model/torch_file.h"

#include <optional>

#include "common/error.h"
#include "model/shown.h"
#include "model/torch_pickle.h"
#include "model/zip_file.h"

namespace memlong::model {
namespace {

constexpr std::string_view kPickle = "/data.pkl";

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The folder in the archive that holds everything; nothing, where no folder or more than one does.
std::optional<std::string> find_folder(const ZipEntries& entries) {
  std::optional<std::string> folder;
  for (const auto& [name, entry] : entries) {
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos || name.substr(slash) != kPickle) continue;
    if (folder) return std::nullopt;
    folder = name.substr(0, slash);
  }
  return folder;
}

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path) : TensorFile(path) {
  const std::string_view text = as_text(bytes());
  if (text.starts_with('\x80')) {
    broken("is a pickle as torch wrote it before 1.6; load it with torch and save it again");
  }
  if (!text.starts_with("PK")) broken("is no torch file: it is no ZIP archive");
  const ZipEntries entries = read_zip(bytes(), path.string());
  const std::optional<std::string> folder = find_folder(entries);
  if (!folder) broken("is no torch file: it has not one data.pkl");
  if (entries.contains(*folder + "/constants.pkl")) {
    broken("is a TorchScript archive, not a state dict; save model.state_dict() with torch.save");
  }
  const auto order = entries.find(*folder + "/byteorder");
  if (order != entries.end() && as_text(order->second.data) != "little") {
    broken("is not little-endian; save it again on a little-endian machine");
  }
  const ZipEntry& pickle = entries.at(*folder + std::string(kPickle));
  if (pickle.crc != 0 && crc32(pickle.data) != pickle.crc) {
    broken("its data.pkl has another checksum than the archive says; the file is damaged");
  }
  for (const TorchTensor& tensor : parse_state_dict(pickle.data, path.string() + ": data.pkl")) {
    const std::string name(tensor.name);
    const std::string where = "tensor " + shown(name);
    if (contains(name)) broken(where + " stands in it twice");
    const auto entry = entries.find(*folder + "/data/" + std::string(tensor.storage));
    if (entry == entries.end()) broken(where + ": its storage is missing");
    if (entry->second.data.size() < tensor.storage_bytes) {
      broken(where + ": its storage has " + std::to_string(entry->second.data.size()) +
             " bytes where " + std::to_string(tensor.storage_bytes) + " are needed");
    }
    if (tensor.contiguous) {
      add(name, entry->second.data.data() + tensor.begin, *tensor.type, tensor.dims);
    } else {
      add_unsupported(name, "not contiguous (t.contiguous() makes it so)");
    }
  }
}

}  // namespace memlong::model
