#include "engine/packed_cache.h"

#include <algorithm>
#include <chrono>
#include <regex>
#include <set>
#include <sys/stat.h>
#include <utility>
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

/// What of packing decides the content of a file: raise it with the order of the weights in
/// backbone/weights.cpp, with how adapters are merged, and with model::writer_hash.
constexpr int kPackingVersion = 1;
constexpr auto kKeptUnused = std::chrono::days(30);

/// Whether the weights may depend on a file that lies in a model's or an adapter's folder.
bool may_matter(const fs::path& file) {
  static const std::set<std::string> others = {".md", ".toml", ".txt", ".model", ".svg"};
  return !others.contains(file.extension().string()) && file.filename() != "sif.safetensors";
}

/// The files that weights may come from, sorted. One file that is named may have others beside it.
std::vector<fs::path> source_files(const fs::path& place) {
  const fs::path folder = fs::is_directory(place) ? place : fs::absolute(place).parent_path();
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && may_matter(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// What changes when somebody writes to the file or puts another one in its place.
json look_of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) fail_errno("cannot examine", file.string());
  return {fs::canonical(file).string(), info.st_size,         info.st_ino,
          info.st_mtim.tv_sec,          info.st_mtim.tv_nsec, info.st_ctim.tv_sec,
          info.st_ctim.tv_nsec};
}

/// Of safetensors, else of torch files, as they are read.
int64_t bytes_of_weights(const std::vector<fs::path>& files) {
  int64_t bytes = 0;
  for (const char* kind : {".safetensors", ".bin"}) {
    for (const fs::path& file : files) {
      if (file.extension() == kind) bytes += static_cast<int64_t>(fs::file_size(file));
    }
    if (bytes > 0) break;
  }
  return bytes;
}

std::string key_of(const json& about) { return to_hex(sha256(about.dump())); }

/// Files that no start has taken for a month: of models that are gone, of runs long past.
void remove_unused(const fs::path& folder) {
  static const std::regex kept_name("[0-9a-f]{32}\\.packed");
  const auto now = fs::file_time_type::clock::now();
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!std::regex_match(entry.path().filename().string(), kept_name)) continue;
    const auto used = entry.last_write_time(ignored);
    if (!ignored && now - used > kKeptUnused) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

PackedCache::PackedCache(PackedCacheOptions options, PackedSource source)
    : options_(std::move(options)), source_(std::move(source)) {
  if (options_.folder.empty()) return;
  try {
    json name = {{"dtype", dtype_name(source_.dtype)},
                 {"memory_layer", source_.memory_layer},
                 {"threads", source_.threads},
                 {"model", fs::canonical(source_.model).string()}};
    if (!source_.adapter.empty()) name["adapter"] = fs::canonical(source_.adapter).string();
    path_ = options_.folder / (key_of(name).substr(0, 32) + ".packed");
    key_ = source_key(source_bytes_);
  } catch (const std::exception& error) {
    log::info(std::string("packed weights are not kept: ") + error.what());
    options_.folder.clear();
  }
}

std::string PackedCache::source_key(int64_t& weight_bytes) const {
  json about = {{"packing", kPackingVersion},
                {"dtype", dtype_name(source_.dtype)},
                {"memory_layer", source_.memory_layer}};
  for (const fs::path& place : {source_.model, source_.adapter}) {
    if (place.empty()) continue;
    about["files"].push_back(fs::canonical(place).string());
    const std::vector<fs::path> files = source_files(place);
    for (const fs::path& file : files) about["files"].push_back(look_of(file));
    weight_bytes += bytes_of_weights(files);
  }
  return key_of(about);
}

bool PackedCache::unchanged() const {
  try {
    int64_t ignored = 0;
    return source_key(ignored) == key_;
  } catch (const std::exception&) {
    return false;
  }
}

std::unique_ptr<PackedFileReader> PackedCache::find() const {
  std::error_code error;
  if (options_.folder.empty() || !fs::exists(path_, error)) return nullptr;
  try {
    auto file = std::make_unique<PackedFileReader>(path_);
    if (file->about().key == key_) {
      fs::last_write_time(path_, fs::file_time_type::clock::now(), error);  // it is in use
      return file;
    }
    log::debug(path_.string() + " was packed from other weights");
  } catch (const Error& problem) {
    log::warn(std::string(problem.what()) + "; packing anew");
  }
  return nullptr;
}

std::unique_ptr<PackedFileWriter> PackedCache::make() const {
  if (options_.folder.empty() || source_bytes_ < options_.min_bytes) return nullptr;
  // From 16-bit weights, with room for padding.
  const int64_t same = source_.dtype == DType::f32 ? 2 * source_bytes_ : source_bytes_;
  const int64_t most = same + same / 8 + kMiB;
  try {
    fs::create_directories(options_.folder);
    remove_unused(options_.folder);
    const fs::space_info disk = fs::space(options_.folder);
    const auto left = static_cast<int64_t>(disk.available) - most;
    if (left < static_cast<int64_t>(disk.capacity / 20)) {  // others need some, too
      log::info("packed weights are not kept: " + options_.folder.string() + " has " +
                std::to_string(disk.available / kMiB) + " MiB left, too little for " +
                std::to_string(most / kMiB) + " MiB");
      return nullptr;
    }
    return std::make_unique<PackedFileWriter>(path_, static_cast<size_t>(most));
  } catch (const std::exception& problem) {
    log::info(std::string("packed weights are not kept: ") + problem.what());
    return nullptr;
  }
}

bool PackedCache::keep(PackedFileWriter& packed, const std::string& writer) const {
  try {
    if (!unchanged()) {
      log::warn("packed weights are not kept: the model's files changed while they were read");
      return false;
    }
    packed.keep({.key = key_, .writer = writer});
  } catch (const std::exception& problem) {
    log::warn(std::string("packed weights are not kept: ") + problem.what());
    return false;
  }
  log::info("packed weights are kept in " + path_.string() + " (" +
            std::to_string(packed.bytes() / kMiB) + " MiB): the next start takes them from there");
  return true;
}

}  // namespace memlong::engine
