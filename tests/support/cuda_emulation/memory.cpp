// Device memory: each allocation ends before a guard page and is closed to the host.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "support/cuda_emulation/include/cuda_device.h"
#include "support/cuda_emulation/large_run.h"

namespace cuda_emulation {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kAlignment = 256;
constexpr size_t kTotal = size_t{1} << 30;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

struct Region {
  std::byte* begin = nullptr;  ///< of its pages
  size_t bytes = 0;            ///< of its pages, the guard page not counted
  std::byte* data = nullptr;   ///< what was given out
  size_t used = 0;             ///< what was asked for
  bool open = false;
};

struct Memory {
  std::map<std::byte*, Region> regions;  ///< by what was given out
  std::vector<Region*> opened;           ///< with room for all
  size_t taken = 0;
  int open = 0;  ///< DeviceAccess that exist
};

Memory& memory() {
  static Memory instance;
  return instance;
}

/// Opens what an address lies in. Whoever touches it does so then: of hundreds of allocations a
/// kernel reads a few.
bool open_region(const std::byte* at) {
  const auto holds = [&](const Region& r) { return at >= r.begin && at < r.begin + r.bytes; };
  auto region = memory().regions.upper_bound(const_cast<std::byte*>(at));
  if (region == memory().regions.end() || !holds(region->second)) {
    if (region == memory().regions.begin()) return false;
    --region;
  }
  if (!holds(region->second) || region->second.open) return false;
  region->second.open = true;
  memory().opened.push_back(&region->second);
  return mprotect(region->second.begin, region->second.bytes, PROT_READ | PROT_WRITE) == 0;
}

void close_regions() {
  for (Region* region : memory().opened) {
    mprotect(region->begin, region->bytes, PROT_NONE);
    region->open = false;
  }
  memory().opened.clear();
}

/// What lies around an allocation in its own pages must be as it was filled.
void check(const Region& region) {
  const auto untouched = [](std::byte b) { return b == std::byte{0xFF}; };
  if (!std::all_of(region.begin, region.data, untouched) ||
      !std::all_of(region.data + region.used, region.begin + region.bytes, untouched)) {
    report("a kernel wrote outside an allocation of " + std::to_string(region.used) + " bytes");
  }
}

void fault(int, siginfo_t* info, void*) {
  const bool kernel = memory().open > 0;
  if (kernel && open_region(static_cast<const std::byte*>(info->si_addr))) return;
  char text[240];
  const int length = std::snprintf(
      text, sizeof(text), "CUDA emulation: %s touched address %p (thread %u, block %u)\n",
      kernel ? "a kernel out of its memory" : "the host, perhaps in device memory,", info->si_addr,
      threadIdx.x, blockIdx.x);
  if (write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) _exit(1);
  signal(SIGSEGV, SIG_DFL);
}

void watch_faults() {
  static char stack[64 << 10];
  static const bool once = [] {
    stack_t own{};
    own.ss_sp = stack;
    own.ss_size = sizeof(stack);
    sigaltstack(&own, nullptr);
    struct sigaction action {};
    action.sa_sigaction = fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    return sigaction(SIGSEGV, &action, nullptr) == 0;
  }();
  (void)once;
}

}  // namespace

void* allocate(size_t bytes) {
  watch_faults();
  const bool large = LargeRun::current() != nullptr;
  if (!large && bytes > kTotal - memory().taken) return nullptr;
  Region region;
  region.used = bytes;
  region.bytes = round_up(round_up(bytes, kAlignment), kPage);
  void* pages = mmap(nullptr, region.bytes + kPage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  region.begin = static_cast<std::byte*>(pages);
  if (!large) std::memset(region.begin, 0xFF, region.bytes);
  mprotect(region.begin + region.bytes, kPage, PROT_NONE);
  region.data = region.begin + region.bytes - round_up(bytes, kAlignment);
  mprotect(region.begin, region.bytes, PROT_NONE);
  memory().regions.emplace(region.data, region);
  memory().opened.reserve(memory().regions.size());
  memory().taken += bytes;
  return region.data;
}

void release(void* data) {
  const auto found = memory().regions.find(static_cast<std::byte*>(data));
  if (found == memory().regions.end()) report("memory freed that is none of the device's");
  memory().taken -= found->second.used;
  std::erase(memory().opened, &found->second);
  munmap(found->second.begin, found->second.bytes + kPage);
  memory().regions.erase(found);
}

bool is_device_pointer(const void* pointer) {
  const auto* at = static_cast<const std::byte*>(pointer);
  const auto behind = memory().regions.upper_bound(const_cast<std::byte*>(at));
  if (behind == memory().regions.begin()) return false;
  const auto& [data, region] = *std::prev(behind);
  return at <= data + region.used;
}

void memory_left(size_t* free, size_t* total) {
  *free = kTotal - memory().taken;
  *total = kTotal;
}

DeviceAccess::DeviceAccess() { ++memory().open; }

DeviceAccess::~DeviceAccess() {
  if (--memory().open == 0) close_regions();
}

/// What is closed was not written to.
void check_margins() {
  for (const Region* region : memory().opened) check(*region);
}

}  // namespace cuda_emulation
