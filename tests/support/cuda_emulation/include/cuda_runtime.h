// Stands in for CUDA's header: the part of the language and of the runtime that memlong uses.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>

#include "support/cuda_emulation/include/cuda_api.h"
#include "support/cuda_emulation/include/cuda_device.h"

/// As in CUDA; arguments are converted to the kernel's parameters, pointers must be the device's.
template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...),
                               Args&&... args) {
  const cudaError_t status =
      cuda_emulation::check_launch(*config, reinterpret_cast<const void*>(kernel));
  if (status != cudaSuccess) return status;
  const std::tuple<Params...> parameters(std::forward<Args>(args)...);
  const auto check = [](const auto& parameter) {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(parameter)>>) {
      if (parameter != nullptr && !cuda_emulation::is_device_pointer(parameter)) {
        cuda_emulation::report("a kernel's argument is a host pointer");
      }
    }
  };
  std::apply([&](const auto&... each) { (check(each), ...); }, parameters);
  const bool early = config->numAttrs > 0;  // of attributes there is no other
  return cuda_emulation::queue(config->stream, [config = *config, early, kernel, parameters] {
    const dim3& grid = config.gridDim;
    const dim3& block = config.blockDim;
    gridDim = grid;
    blockDim = block;
    cuda_emulation::run_grid({grid.x, grid.y, grid.z}, {block.x, block.y, block.z},
                             config.dynamicSmemBytes, early,
                             [&] { std::apply(kernel, parameters); });
  });
}
