// longjmp between stacks is what is wanted here; the checked one refuses it.
#undef _FORTIFY_SOURCE
#include "support/cuda_emulation/fibers.h"

#include <cstdint>
#include <new>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_emulation {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr size_t kGuardBytes = 4096;
/// From where one stack begins in its room to where the next does: were all to begin at the same
/// place, what they touch would have to share a few sets of the cache.
constexpr size_t kStagger = 17 * 64;
constexpr size_t kMostStagger = size_t{64} << 10;

}  // namespace

// makecontext (slow, it asks the kernel for the signal mask) only starts a fiber; _setjmp and
// _longjmp change between started ones, and one that has come to its end goes on from there. Under
// the address sanitizer, which wants to know about every change of stacks, swapcontext does all.
struct Fiber {
  Fibers* owner = nullptr;
  size_t index = 0;
  char* stack = nullptr;
  size_t stack_bytes = 0;
  bool started = false;
  bool ended = false;  ///< the body; what comes next is the next one
  ucontext_t context{};
  ucontext_t caller{};
  jmp_buf here{};
  jmp_buf back{};
  void* shadow = nullptr;
  const void* caller_stack = nullptr;
  size_t caller_bytes = 0;

  static void main(unsigned low, unsigned high) {
    auto* fiber = reinterpret_cast<Fiber*>(static_cast<uintptr_t>(low) |
                                           (static_cast<uintptr_t>(high) << 32));
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &fiber->caller_stack, &fiber->caller_bytes);
#endif
    for (;;) {
      fiber->owner->body_(fiber->index);
      fiber->ended = true;
      fiber->owner->suspend();
    }
  }

  void make() {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack, stack_bytes);
#endif
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = stack_bytes;
    context.uc_link = nullptr;
    const auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&context, reinterpret_cast<void (*)()>(&Fiber::main), 2,
                static_cast<unsigned>(self), static_cast<unsigned>(self >> 32));
  }
};

Fibers::Fibers() {
  void* memory = mmap(nullptr, kMost * kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stacks_ = static_cast<char*>(memory);
  for (size_t i = 0; i < kMost; ++i) {
    mprotect(stacks_ + i * kStackBytes, kGuardBytes, PROT_NONE);
    fibers_.push_back(std::make_unique<Fiber>());
    fibers_[i]->owner = this;
    fibers_[i]->index = i;
    fibers_[i]->stack = stacks_ + i * kStackBytes + kGuardBytes;
    fibers_[i]->stack_bytes = kStackBytes - kGuardBytes - i * kStagger % kMostStagger;
  }
}

Fibers::~Fibers() { munmap(stacks_, kMost * kStackBytes); }

void Fibers::start(size_t count, std::function<void(size_t)> body) {
  body_ = std::move(body);
  for (size_t i = 0; i < count; ++i) {
    if (!fibers_[i]->ended) {
      fibers_[i]->started = false;
      fibers_[i]->make();
    }
    fibers_[i]->ended = false;
  }
}

#if defined(__SANITIZE_ADDRESS__)

void Fibers::resume(size_t index) {
  Fiber& fiber = *fibers_[index];
  current_ = &fiber;
  void* shadow = nullptr;
  __sanitizer_start_switch_fiber(&shadow, fiber.stack, fiber.stack_bytes);
  swapcontext(&fiber.caller, &fiber.context);
  __sanitizer_finish_switch_fiber(shadow, nullptr, nullptr);
}

void Fibers::suspend() {
  Fiber& fiber = *current_;
  __sanitizer_start_switch_fiber(&fiber.shadow, fiber.caller_stack, fiber.caller_bytes);
  swapcontext(&fiber.context, &fiber.caller);
  __sanitizer_finish_switch_fiber(fiber.shadow, &fiber.caller_stack, &fiber.caller_bytes);
}

#else

void Fibers::resume(size_t index) {
  Fiber& fiber = *fibers_[index];
  current_ = &fiber;
  if (_setjmp(fiber.back) != 0) return;
  if (fiber.started) _longjmp(fiber.here, 1);
  fiber.started = true;
  setcontext(&fiber.context);
}

void Fibers::suspend() {
  Fiber& fiber = *current_;
  if (_setjmp(fiber.here) == 0) _longjmp(fiber.back, 1);
}

#endif

}  // namespace cuda_emulation
