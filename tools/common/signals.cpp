#include "tools/common/signals.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/uio.h>
#include <unistd.h>

#include "common/error.h"

namespace memlong::tools {
namespace {

std::atomic<bool> stop{false};
std::atomic<int> which{0};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not lock");

extern "C" void on_stop_signal(int signal) {
  if (stop.exchange(true)) _exit(130);
  which.store(signal);
}

/// Nothing here may allocate or lock.
extern "C" void on_bus_error(int /*signal*/) {
  static char said[] =
      ": error: a file that is read was cut short by another program, or its disk fails\n";
  const iovec line[] = {{program_invocation_short_name, std::strlen(program_invocation_short_name)},
                        {said, sizeof(said) - 1}};
  [[maybe_unused]] const ssize_t written = writev(STDERR_FILENO, line, 2);
  _exit(1);
}

/// Handlers of the calling thread that say SA_ONSTACK run on a stack of their own. oneDNN
/// before March 2026 points the stack pointer into the heap while some f32 products run (its issue
/// 4845): a handler that ran there would write over what other objects hold. The kernel gives
/// signals that are sent to a process to its first thread wherever it can.
void take_own_signal_stack() {
  alignas(64) static std::array<char, 64 << 10> bytes;  // AMX registers alone take 8 KiB of it
  stack_t stack{};
  stack.ss_sp = bytes.data();
  stack.ss_size = bytes.size();
  sigaltstack(&stack, nullptr);
}

}  // namespace

void catch_stop_signals() {
  take_own_signal_stack();
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_flags = 0;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  sigaction(SIGXFSZ, &action, nullptr);  // a limit of file sizes (ulimit -f): an error, no death
}

void end_on_bus_errors() {
  struct sigaction action {};
  action.sa_handler = on_bus_error;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

bool stop_requested() { return stop.load(std::memory_order_relaxed); }
const std::atomic<bool>& stop_flag() { return stop; }
int stop_signal() { return which.load(); }
void clear_stop_request() {
  which.store(0);
  stop.store(false);
}

void throw_if_stopped() {
  if (stop_requested()) fail(ErrorKind::stopped, "stopped");
}

}  // namespace memlong::tools
