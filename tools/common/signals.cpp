#include "tools/common/signals.h"

#include <csignal>
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

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  sigaction(SIGXFSZ, &action, nullptr);  // a limit of file sizes (ulimit -f): an error, no death
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
