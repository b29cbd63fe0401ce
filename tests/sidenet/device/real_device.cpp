#include <cstdio>

#include <gtest/gtest.h>

#include "tensor/devices.h"

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
