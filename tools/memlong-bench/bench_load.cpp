// Starting: a model folder, as the other tools load it, from a cold and from a warm page cache.
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
  explicit WeightFiles(const fs::path& folder) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file() || entry.path().extension() != ".safetensors") continue;
      paths_.push_back(entry.path());
      bytes_ += static_cast<double>(entry.file_size());
    }
    if (paths_.empty()) fail(ErrorKind::usage, folder.string() + " has no safetensors to load");
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

}  // namespace

std::vector<Row> bench_load(Context& context, const BenchArguments& arguments,
                            tools::Progress& progress) {
  const fs::path& folder = arguments.common.model;
  const WeightFiles files(folder);
  const engine::ModelOptions options{
      .folder = folder,
      .settings = tools::resolve_settings(arguments.common, model::load_config(folder)),
      .dtype = tools::compute_dtype(arguments.common)};
  std::vector<Row> rows;
  for (const bool cold : {true, false}) {
    std::vector<double> seconds;
    rows.push_back(measure({.test = cold ? "load-first" : "load-again",
                            .unit = "MiB/s",
                            .run =
                                [&] {
                                  if (cold) files.drop();
                                  const Stopwatch watch;
                                  (void)engine::load_model(context, options);
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
