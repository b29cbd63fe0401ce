// Runs CUDA kernels on the processor, compiled as C++, so that their logic is tested where there is
// no GPU. include/ stands in for the CUDA headers; nothing in src/ knows of it.
//
// Blocks run one after the other, the threads of a block as fibers that change at barriers and warp
// operations only: a warp goes on until all its lanes wait at a barrier, then comes the next.
// Shared and device memory start as NaN. Device memory can be reached by kernels only, and has
// guard pages. An exception names what is wrong: lanes in different operations, a barrier that not
// all threads reach, writes past shared memory, a host pointer as argument, a launch that no device
// would take. Emulated: whole warps (blocks of a multiple of 32 threads, all lanes named). One host
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <typeinfo>

namespace cuda_emulation {

/// The order in which threads and blocks run. Results of a kernel without races do not depend on
/// it.
struct Order {
  bool reverse_threads = false;  ///< the last warp and the last lane first
  uint32_t block_seed = 0;       ///< blocks shuffled by it; 0: in order
};
void set_order(const Order& order);

/// The least that a supported GPU gives a block (compute capability 8.6 and 8.9).
inline constexpr size_t kBlockSharedBytes = 99 * 1024;
/// Of which arrays that the kernel itself declares may have so much.
inline constexpr size_t kStaticSharedBytes = 48 * 1024;

struct Extent {
  unsigned x = 1, y = 1, z = 1;
};
/// What is not a launch that a device would take has been refused before.
/// `early`: every thread must have waited for earlier kernels when it ends.
void run_grid(const Extent& grid, const Extent& block, size_t shared_bytes, bool early,
              const std::function<void()>& thread);

// For kernels, through include/:

[[noreturn]] void report(const std::string& what);
/// Returns when all threads of the block have come; `vote` is or-ed over them.
bool barrier(bool vote, const std::source_location& at);
/// Gives the warp `value` (at most kSlotBytes) and returns, when all lanes have come, where the
/// lanes' values lie, kSlotBytes apart, until the next operation but one.
inline constexpr size_t kSlotBytes = 64;
const std::byte* exchange(const void* value, size_t size, uint32_t mask,
                          const std::source_location& at);
/// A thread of a kernel that may start early waits for the kernels before it.
void count_wait();
/// A thread that may have started early and has not waited must not come here.
void check_waited();
std::byte* dynamic_shared();
std::byte* block_shared(const std::type_info& type, size_t bytes);
/// cp.async: done at the wait for its group; until then the target holds NaN.
void copy_async(void* to, const void* from, size_t bytes, size_t valid_bytes);
void copy_async_commit();
void copy_async_wait(size_t groups_left);

// Device memory:

void* allocate(size_t bytes);  ///< null where it is more than what is left
void release(void* memory);
bool is_device_pointer(const void* memory);
void memory_left(size_t* free, size_t* total);
/// Throws when a kernel wrote beside an allocation; with DeviceAccess.
void check_margins();
/// While one lives, device memory can be reached.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace cuda_emulation
