#include "model/safetensors.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "model/json_fields.h"

namespace memlong::model {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = uint64_t{100} << 20;

constexpr FileType kTypes[] = {
    {"F32", 4, DType::f32}, {"F16", 2, DType::f16}, {"BF16", 2, DType::bf16},
    {"I32", 4, DType::i32}, {"I64", 8, DType::i64}, {"U8", 1, DType::u8},
    {"F64", 8, {}},         {"BOOL", 1, {}},        {"I8", 1, {}},
    {"I16", 2, {}},         {"U16", 2, {}},         {"U32", 4, {}},
    {"U64", 8, {}},         {"F8_E4M3", 1, {}},     {"F8_E5M2", 1, {}},
    {"F8_E8M0", 1, {}},     {"F8_E4M3FNUZ", 1, {}}, {"F8_E5M2FNUZ", 1, {}},
    {"C64", 8, {}},
};

[[noreturn]] void broken(const std::filesystem::path& path, const std::string& what) {
  fail(ErrorKind::format, path.string() + ": " + what);
}

/// The JSON header; checks its length before anything is allocated for it.
std::string_view header_text(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() < kLengthBytes) broken(path, "is too short for a safetensors file");
  uint64_t length = 0;
  std::memcpy(&length, text, kLengthBytes);
  if (length > kMaxHeader || length > bytes.size() - kLengthBytes) {
    broken(path, "header length " + std::to_string(length) + " does not fit a file of " +
                     std::to_string(bytes.size()) + " bytes; it is cut short or no safetensors");
  }
  if (length < 2 || text[kLengthBytes] != '{') broken(path, "header is not a JSON object");
  return {text + kLengthBytes, length};
}

struct Entry {
  std::string name;
  const FileType* type = nullptr;
  std::vector<uint64_t> dims;
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// Whole numbers >= 0 of a JSON list.
std::vector<uint64_t> read_numbers(const nlohmann::json& info, const char* key,
                                   const std::string& where) {
  const auto found = info.find(key);
  std::vector<uint64_t> numbers;
  bool good = found != info.end() && found->is_array();
  for (size_t i = 0; good && i < found->size(); ++i) {
    good = (*found)[i].is_number_unsigned();
    if (good) numbers.push_back((*found)[i].get<uint64_t>());
  }
  if (!good) fail(ErrorKind::format, where + ": " + key + " is not a list of whole numbers >= 0");
  return numbers;
}

Entry read_entry(const std::filesystem::path& path, const std::string& name,
                 const nlohmann::json& info, uint64_t data_size) {
  const std::string where = path.string() + ": tensor " + name;
  if (!info.is_object()) fail(ErrorKind::format, where + " has no description");
  Entry entry;
  entry.name = name;
  const auto dtype = info.find("dtype");
  const std::string type =
      dtype != info.end() && dtype->is_string() ? dtype->get<std::string>() : "";
  const auto known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const FileType& item) { return type == item.name; });
  if (known == std::end(kTypes))
    fail(ErrorKind::format, where + ": unknown dtype \"" + type + "\"");
  entry.type = known;
  entry.dims = read_numbers(info, "shape", where);
  const std::vector<uint64_t> offsets = read_numbers(info, "data_offsets", where);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size) {
    fail(ErrorKind::format, where + ": data_offsets lie outside the " + std::to_string(data_size) +
                                " bytes of data; the file is cut short or damaged");
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  const uint64_t needed = bytes_needed(entry.dims, entry.type->size, where);
  if (needed != entry.end - entry.begin) {
    fail(ErrorKind::format, where + ": " + std::to_string(entry.end - entry.begin) +
                                " bytes where dtype and shape need " + std::to_string(needed));
  }
  return entry;
}

/// Tensors must cover the data exactly: no overlap, no hole, nothing behind the last.
void check_layout(const std::filesystem::path& path, std::vector<Entry>& entries,
                  uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      broken(path,
             "tensor " + entry.name +
                 (entry.begin < at ? " overlaps the one before" : " leaves a hole before it"));
    }
    at = entry.end;
  }
  if (at != data_size) {
    broken(path, std::to_string(data_size - at) + " bytes of data belong to no tensor");
  }
}

std::map<std::string, std::string> read_metadata(const std::filesystem::path& path,
                                                 const nlohmann::json& object) {
  std::map<std::string, std::string> metadata;
  if (!object.is_object()) broken(path, "__metadata__ is not an object");
  for (const auto& item : object.items()) {
    if (!item.value().is_string()) broken(path, "__metadata__ has a value that is no string");
    metadata[item.key()] = item.value().get<std::string>();
  }
  return metadata;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : TensorFile(path) {
  const std::string_view header = header_text(path, bytes());
  const nlohmann::json root = parse_json_object(header, path.string() + ": header", true);
  const std::span<const std::byte> data = bytes().subspan(kLengthBytes + header.size());
  std::vector<Entry> entries;
  for (const auto& item : root.items()) {
    if (item.key() == "__metadata__") {
      metadata_ = read_metadata(path, item.value());
    } else {
      entries.push_back(read_entry(path, item.key(), item.value(), data.size()));
    }
  }
  check_layout(path, entries, data.size());
  for (const Entry& entry : entries) {
    add(entry.name, data.data() + entry.begin, *entry.type, entry.dims);
  }
}

}  // namespace memlong::model
