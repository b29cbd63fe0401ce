#include "engine/packed_cache.h"

#include <algorithm>
#include <sys/stat.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"

namespace memlong::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kMiB = 1 << 20;

/// The files of a folder that weights come from, or the one file, sorted.
std::vector<fs::path> source_files(const fs::path& place) {
  if (!fs::is_directory(place)) return {place};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(place)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".safetensors" || extension == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// What changes when somebody writes to the file or puts another one in its place.
json look_of(const fs::path& file, int64_t& weight_bytes) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) fail_errno("cannot examine", file.string());
  if (file.extension() == ".safetensors") weight_bytes += info.st_size;
  return {fs::canonical(file).string(), info.st_size, info.st_ino, info.st_mtim.tv_sec,
          info.st_mtim.tv_nsec};
}

}  // namespace

PackedCache::PackedCache(PackedCacheOptions options, const PackedSource& source)
    : options_(std::move(options)) {
  if (options_.folder.empty()) return;
  try {
    json about = {{"dtype", dtype_name(source.dtype)}, {"memory_layer", source.memory_layer}};
    for (const fs::path& place : {source.model, source.adapter}) {
      if (!place.empty()) about["from"].push_back(fs::canonical(place).string());
    }
    path_ = options_.folder / (to_hex(sha256(about.dump())).substr(0, 32) + ".packed");
    for (const fs::path& place : {source.model, source.adapter}) {
      if (place.empty()) continue;
      for (const fs::path& file : source_files(place)) {
        about["files"].push_back(look_of(file, source_bytes_));
      }
    }
    key_ = to_hex(sha256(about.dump()));
    // From 16-bit weights, with room for padding, and for what is larger than it was.
    const int64_t same = source.dtype == DType::f32 ? 2 * source_bytes_ : source_bytes_;
    most_packed_bytes_ = same + same / 8 + kMiB;
  } catch (const std::exception& error) {
    log::debug(std::string("packed weights are not kept: ") + error.what());
    options_.folder.clear();
  }
}

std::unique_ptr<PackedFileReader> PackedCache::find() const {
  std::error_code error;
  if (options_.folder.empty() || !fs::exists(path_, error)) return nullptr;
  try {
    auto file = std::make_unique<PackedFileReader>(path_);
    if (file->about().key == key_) return file;
    log::debug(path_.string() + " was packed from other weights");
  } catch (const Error& problem) {
    log::warn(std::string(problem.what()) + "; packing anew");
  }
  return nullptr;
}

std::unique_ptr<PackedFileWriter> PackedCache::make() const {
  if (options_.folder.empty() || source_bytes_ < options_.min_bytes) return nullptr;
  try {
    return std::make_unique<PackedFileWriter>(path_, static_cast<size_t>(most_packed_bytes_));
  } catch (const std::exception& problem) {
    log::info(std::string("packed weights are not kept: ") + problem.what());
    return nullptr;
  }
}

void PackedCache::keep(PackedFileWriter& packed, const std::string& writer) const {
  try {
    packed.keep({.key = key_, .writer = writer});
    log::info("packed weights are kept in " + path_.string() + " (" +
              std::to_string(static_cast<int64_t>(packed.bytes()) / kMiB) +
              " MiB): the next start takes them from there");
  } catch (const Error& problem) {
    log::warn(std::string("packed weights are not kept: ") + problem.what());
  }
}

}  // namespace memlong::engine
