#include "ops/device/op_run.h"
#include "support/cuda_emulation/emulation.h"

namespace memlong::ops::device_test {

std::vector<std::function<void()>> orders() {
  using cuda_emulation::set_order;
  return {[] { set_order({}); }, [] { set_order({.reverse_threads = true, .block_seed = 1}); },
          [] { set_order({.reverse_threads = false, .block_seed = 2}); }};
}

}  // namespace memlong::ops::device_test
