// The program's side of the module: loads it and speaks to it. The module is a library of its own,
// loaded when it is asked for: a FAISS for GPUs brings a processor part of its own version, which
// must not meet the one that is linked here, and CUDA libraries, which need not be there.
#include "retriever/faiss_gpu.h"

#include <array>
#include <dlfcn.h>

#include "common/error.h"
#include "retriever/faiss_gpu/abi.h"
#include "retriever/score_error.h"

namespace memlong::retriever {
namespace {

using Line = std::array<char, 512>;

void check(int result, const Line& line) {
  if (result != 0) fail(ErrorKind::device, line.data());
}

const FaissGpuModule& load_module(const std::filesystem::path& wanted) {
  std::error_code none;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", none);
  const std::filesystem::path path =
      wanted.empty() ? program.parent_path() / kFaissGpuFile : wanted;
  if (!std::filesystem::exists(path, none)) {
    fail(ErrorKind::device,
         "there is no " + path.string() + ": this build found no FAISS with GPU support");
  }
  // Never unloaded: CUDA's libraries do not expect it.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr)
    fail(ErrorKind::device, "FAISS for GPUs cannot be loaded: " + std::string(dlerror()));
  const auto entry = reinterpret_cast<FaissGpuEntry>(dlsym(library, kFaissGpuEntry));
  const FaissGpuModule* module = entry == nullptr ? nullptr : entry();
  if (module == nullptr || module->abi != kFaissGpuAbi) {
    fail(ErrorKind::device, path.string() + " belongs to another version of memlong");
  }
  return *module;
}

class FaissRows : public DeviceRows {
 public:
  FaissRows(const FaissGpuModule& module, void* rows, int64_t dim)
      : module_(module), rows_(rows), dim_(dim) {}
  ~FaissRows() override { module_.drop(rows_); }
  FaissRows(const FaissRows&) = delete;
  FaissRows& operator=(const FaissRows&) = delete;

  void search(std::span<const float> queries, int64_t fetch, std::span<int64_t> rows,
              std::span<float> scores) const override {
    const auto n = static_cast<int64_t>(queries.size()) / dim_;
    MEMLONG_CHECK(static_cast<int64_t>(rows.size()) == n * fetch && scores.size() == rows.size(),
                  "a place for each row and score is needed");
    Line line{};
    check(module_.search(rows_, queries.data(), n, fetch, rows.data(), scores.data(), line.data(),
                         line.size()),
          line);
  }

 private:
  const FaissGpuModule& module_;
  void* rows_;
  int64_t dim_;
};

class FaissGpu : public SearchDevice {
 public:
  explicit FaissGpu(const FaissGpuOptions& options)
      : module_(load_module(options.module)), half_(options.half) {
    Line line{};
    check(module_.open(options.device, options.bytes, &device_, line.data(), line.size()), line);
  }
  ~FaissGpu() override { module_.close(device_); }
  FaissGpu(const FaissGpu&) = delete;
  FaissGpu& operator=(const FaissGpu&) = delete;

  [[nodiscard]] int64_t most_fetched() const override { return module_.most_fetched; }
  [[nodiscard]] double score_error(int64_t dim, double query_norm, double row_norm) const override {
    return half_ ? score_error_f16(dim, query_norm, row_norm)
                 : score_error_f32(dim, query_norm, row_norm);
  }
  std::unique_ptr<DeviceRows> load(std::span<const float> rows, int64_t dim) override {
    void* loaded = nullptr;
    Line line{};
    check(module_.load(device_, half_ ? 1 : 0, rows.data(), static_cast<int64_t>(rows.size()) / dim,
                       dim, &loaded, line.data(), line.size()),
          line);
    return std::make_unique<FaissRows>(module_, loaded, dim);
  }

 private:
  const FaissGpuModule& module_;
  bool half_;
  void* device_ = nullptr;
};

}  // namespace

std::shared_ptr<SearchDevice> open_faiss_gpu(const FaissGpuOptions& options) {
  return std::make_shared<FaissGpu>(options);
}

}  // namespace memlong::retriever
