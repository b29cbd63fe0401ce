// Starting: a model folder, as the other tools load it: packed and kept; taken from what was kept;
// and that again when nothing of it is in main memory, as after a reboot.
#include <fcntl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "engine/loaded_model.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"

namespace memlong::bench_tool {
namespace {

namespace fs = std::filesystem;

constexpr double kMiB = 1 << 20;

/// The files of weights in a folder and in the folders in it.
class WeightFiles {
 public:
  WeightFiles(const fs::path& folder, const char* extension) {
    std::error_code none;
    for (const auto& entry : fs::recursive_directory_iterator(folder, none)) {
      if (!entry.is_regular_file() || entry.path().extension() != extension) continue;
      paths_.push_back(entry.path());
      bytes_ += static_cast<double>(entry.file_size());
    }
    if (paths_.empty()) fail(ErrorKind::io, folder.string() + " has no weights to load");
  }

  [[nodiscard]] double mib() const { return bytes_ / kMiB; }

  /// Out of the page cache, as far as the file system lets them go.
  void drop() const {
    for (const fs::path& path : paths_) {
      const int file = open_file(path);
      ::fdatasync(file);
      ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
      ::close(file);
    }
  }

  void read() const {
    std::vector<char> block(size_t{1} << 20);
    for (const fs::path& path : paths_) {
      const int file = open_file(path);
      while (::read(file, block.data(), block.size()) > 0) {
      }
      ::close(file);
    }
  }

 private:
  static int open_file(const fs::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) fail_errno("cannot open", path.string());
    return file;
  }

  std::vector<fs::path> paths_;
  double bytes_ = 0;
};

/// Safetensors are read where there are both.
const char* kind_of_weights(const fs::path& folder) {
  const bool safe = fs::exists(folder / "model.safetensors") ||
                    fs::exists(folder / "model.safetensors.index.json");
  return safe ? ".safetensors" : ".bin";
}

}  // namespace

std::vector<Row> bench_load(Context& context, const BenchArguments& arguments,
                            tools::Progress& progress) {
  const fs::path& folder = arguments.common.model;
  const WeightFiles files(folder, kind_of_weights(folder));
  const ScratchFolder scratch(arguments.folder);
  const engine::ModelOptions options{
      .folder = folder,
      .settings = tools::resolve_settings(arguments.common, model::load_config(folder)),
      .dtype = tools::compute_dtype(arguments.common),
      .packed_cache = {.folder = scratch.path() / "packed"}};
  std::vector<Row> rows;
  for (const std::string name : {"load-first", "load-again", "load-cold"}) {
    if (name == "load-cold" && context.device() != Device::cpu) continue;  // nothing is kept there
    std::vector<double> seconds;
    rows.push_back(measure({.test = name,
                            .unit = "MiB/s",
                            .run =
                                [&] {
                                  if (name == "load-first") {
                                    fs::remove_all(options.packed_cache.folder);
                                    files.drop();
                                  } else if (name == "load-cold") {
                                    files.drop();
                                    WeightFiles(options.packed_cache.folder, ".packed").drop();
                                  }
                                  const Stopwatch watch;
                                  (void)engine::load_model(context, options);
                                  context.synchronize();
                                  seconds.push_back(watch.seconds());
                                  return files.mib() / seconds.back();
                                },
                            .floor =
                                [&] {
                                  files.drop();
                                  const Stopwatch watch;
                                  files.read();
                                  return files.mib() / watch.seconds();
                                },
                            .more =
                                [&] {
                                  return Figures{{"seconds", median(seconds)}};
                                }},
                           arguments.repeat, progress));
  }
  return rows;
}

}  // namespace memlong::bench_tool
