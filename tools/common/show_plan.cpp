#include "tools/common/show_plan.h"

#include <algorithm>
#include <cstdio>

#include "tensor/devices.h"
#include "tools/common/text.h"

namespace memlong::tools {

std::string plan_text(const engine::MemoryPlan& plan, const std::string& device) {
  Table table({"part", ">bytes", "of"});
  for (const engine::MemoryPart& part : plan.parts) {
    table.row({part.name, human_bytes(static_cast<double>(part.bytes)), part.shape});
  }
  table.row({"together", human_bytes(static_cast<double>(plan.bytes())), ""});
  return "memory plan for " + device + ":\n" + table.text();
}

engine::MemoryPlanOptions show_memory_plan(const CommonOptions& common, const Context& context,
                                           engine::MemoryPlanOptions wanted) {
  const bool on_gpu = context.device() == Device::cuda;
  wanted.device = context.device();
  wanted.dtype = compute_dtype(common);
  if (!on_gpu && !common.verbose) return engine::choose_open({}, {}, wanted, 0);
  const model::ModelConfig config = model::load_config(common.model);
  const model::MemorySettings settings = resolve_settings(common, config);
  const int64_t limit = max_gpu_memory(common);
  std::string name = "the CPU";
  int64_t free = 0;
  if (on_gpu) {
    const CudaDevices found = cuda_devices();
    const CudaDevice& device = found.devices.at(static_cast<size_t>(context.device_index()));
    name = "cuda:" + std::to_string(device.index) + " (" + device.name + ")";
    free = static_cast<int64_t>(free_device_bytes(device.index));
  }
  wanted = engine::choose_open(config, settings, wanted, limit > 0 ? std::min(free, limit) : free);
  const engine::MemoryPlan plan = engine::plan_memory(config, settings, wanted);
  std::string text = plan_text(plan, name);
  if (on_gpu) text += human_bytes(static_cast<double>(free)) + " are free there\n";
  if (!common.quiet) std::fputs(text.c_str(), stderr);
  if (on_gpu) engine::check_plan(plan, name, free, limit);
  return wanted;
}

}  // namespace memlong::tools
