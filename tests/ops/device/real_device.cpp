#include <cstdio>

#include "ops/device/op_run.h"
#include "tensor/devices.h"

namespace memlong::ops::device_test {

std::vector<std::function<void()>> orders() {
  return {[] {}, [] {}};
}

}  // namespace memlong::ops::device_test

int main(int argc, char** argv) {
  const memlong::CudaDevices found = memlong::cuda_devices();
  if (found.devices.empty()) {
    std::printf("NOT TESTED on a CUDA device: %s\n", found.why_none.c_str());
    return 0;
  }
  std::printf("On %s\n", found.devices[0].name.c_str());
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
