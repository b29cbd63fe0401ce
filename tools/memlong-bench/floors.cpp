#include "tools/memlong-bench/floors.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <thread>
#include <unistd.h>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "ops/copy.h"
#include "ops/zero.h"
#include "tensor/devices.h"

namespace memlong::bench_tool {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr double kReadSeconds = 0.05;

/// Adds up n words; eight sums, so that the loop waits for memory and not for additions.
uint64_t add_up(const uint64_t* words, size_t n) {
  std::array<uint64_t, 8> sums{};
  for (size_t i = 0; i + 8 <= n; i += 8) {
    for (size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
  }
  uint64_t sum = 0;
  for (const uint64_t each : sums) sum += each;
  return sum;
}

}  // namespace

ReadFloor::ReadFloor(Context& context, double bytes) : context_(context) {
  const auto size = std::clamp(static_cast<size_t>(bytes), kMiB, 1024 * kMiB);
  const auto words = static_cast<int64_t>(size / sizeof(float) / 2 * 2);
  context.activate();
  block_ = Tensor({words}, DType::f32, context.device());
  if (context.device() == Device::cpu) {
    std::memset(block_.view().raw(), 1, block_.bytes());
    return;
  }
  const TensorView from = block_.view().slice(0, 0, words / 2);
  const TensorView to = block_.view().slice(0, words / 2, words);
  ops::zero(context, from);
  copies_.emplace(context, [&context, from, to] { ops::copy(context, from, to); });
}

double ReadFloor::bytes_per_second() {
  if (!copies_) return read();
  return static_cast<double>(block_.bytes()) / copies_->seconds(kReadSeconds);
}

double ReadFloor::read() {
  std::atomic<uint64_t> total{0};
  std::atomic<size_t> bytes{0};
  const int threads = context_.threads();
  const size_t share = block_.bytes() / sizeof(uint64_t) / static_cast<size_t>(threads);
  const auto* words = static_cast<const uint64_t*>(block_.view().raw());
  const Stopwatch watch;
  const auto work = [&](int thread) {
    const uint64_t* from = words + static_cast<size_t>(thread) * share;
    do {
      total += add_up(from, share);
      bytes += share * sizeof(uint64_t);
    } while (watch.seconds() < kReadSeconds);
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();
  MEMLONG_CHECK(total > 0, "the block holds ones");
  return static_cast<double>(bytes) / watch.seconds();
}

double copy_bytes_per_second(size_t bytes) {
  const std::vector<char> from(bytes, 'x');
  std::vector<char> to(bytes, 'y');
  const Stopwatch watch;
  std::memcpy(to.data(), from.data(), bytes);
  const double seconds = watch.seconds();
  MEMLONG_CHECK(to.back() == 'x', "memcpy copies");
  return static_cast<double>(bytes) / seconds;
}

double write_bytes_per_second(const std::filesystem::path& folder, size_t bytes) {
  const std::vector<char> block(kMiB, 'x');
  const std::string path = (folder / "plain").string();
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) fail_errno("cannot create", path);
  const Stopwatch watch;
  bool good = true;
  for (size_t done = 0; good && done < bytes;) {
    const ssize_t put = write(file, block.data(), std::min(block.size(), bytes - done));
    good = put > 0;
    done += good ? static_cast<size_t>(put) : 0;
  }
  good = good && fsync(file) == 0;
  const double seconds = watch.seconds();
  close(file);
  unlink(path.c_str());
  if (!good) fail_errno("cannot write to", path);
  return static_cast<double>(bytes) / seconds;
}

std::string machine_name(const Context& context) {
  std::string name = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    name = line.substr(colon + 2);
    break;
  }
  name += ", " + std::to_string(std::thread::hardware_concurrency()) + " CPUs";
  if (context.device() == Device::cpu) return name;
  const auto device = static_cast<size_t>(context.device_index());
  return cuda_devices().devices.at(device).name + ", " + name;
}

}  // namespace memlong::bench_tool
