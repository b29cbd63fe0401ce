#include "engine/packed_index.h"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/hash.h"

namespace memlong::engine {
namespace {

constexpr std::string_view kMagic = "MLPACKED";
constexpr uint32_t kVersion = 1;

/// The last bytes of the file.
struct Trailer {
  uint64_t index_bytes = 0;
  uint32_t index_crc = 0;
  uint32_t version = kVersion;
  char magic[kMagic.size()] = {};
};
static_assert(sizeof(Trailer) == 24 && std::is_trivially_copyable_v<Trailer>);

uint32_t checksum(std::string_view text) {
  return crc32c(std::as_bytes(std::span(text.data(), text.size())));
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  fail(ErrorKind::format, path.string() + " " + what);
}

/// The index as text, checked against the trailer.
std::string_view index_text(std::string_view file, const std::filesystem::path& path) {
  Trailer trailer;
  if (file.size() < sizeof trailer) refuse(path, "is no file of packed weights");
  std::memcpy(&trailer, file.data() + file.size() - sizeof trailer, sizeof trailer);
  file.remove_suffix(sizeof trailer);
  if (std::string_view(trailer.magic, kMagic.size()) != kMagic) {
    refuse(path, "is no file of packed weights, or was cut off");
  }
  if (trailer.version != kVersion) {
    refuse(path, "has version " + std::to_string(trailer.version) + " of its format, not " +
                     std::to_string(kVersion));
  }
  if (trailer.index_bytes > file.size()) refuse(path, "was cut off");
  const std::string_view text = file.substr(file.size() - trailer.index_bytes);
  if (checksum(text) != trailer.index_crc) refuse(path, "is damaged");
  return text;
}

}  // namespace

std::string packed_index(const PackedAbout& about, const std::vector<PackedEntry>& entries) {
  nlohmann::json weights = nlohmann::json::array();
  for (const PackedEntry& entry : entries) {
    weights.push_back({{"offset", entry.offset}, {"bytes", entry.bytes}, {"layout", entry.layout}});
  }
  const std::string text =
      nlohmann::json{{"key", about.key}, {"writer", about.writer}, {"weights", weights}}.dump();
  Trailer trailer{.index_bytes = text.size(), .index_crc = checksum(text)};
  std::memcpy(trailer.magic, kMagic.data(), kMagic.size());
  std::string bytes = text + std::string(sizeof trailer, '\0');
  std::memcpy(bytes.data() + text.size(), &trailer, sizeof trailer);
  return bytes;
}

PackedIndex read_packed_index(std::span<const std::byte> file, const std::filesystem::path& path) {
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  const std::string_view text = index_text(bytes, path);
  const size_t weights = bytes.size() - sizeof(Trailer) - text.size();
  PackedIndex index;
  try {
    const nlohmann::json root = nlohmann::json::parse(text);
    index.about = {.key = root.at("key"), .writer = root.at("writer")};
    for (const nlohmann::json& entry : root.at("weights")) {
      index.entries.push_back(
          {.offset = entry.at("offset"), .bytes = entry.at("bytes"), .layout = entry.at("layout")});
      const PackedEntry& last = index.entries.back();
      if (last.offset % kPackedPage != 0 || last.offset > weights ||
          last.bytes > weights - last.offset) {
        refuse(path, "speaks of weights that it does not hold");
      }
    }
  } catch (const nlohmann::json::exception& error) {
    refuse(path, std::string("has an index that cannot be read: ") + error.what());
  }
  return index;
}

}  // namespace memlong::engine
