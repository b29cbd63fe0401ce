#include "tools/memlong-train/training_plan.h"

#include <cstdio>

#include "tensor/devices.h"
#include "tools/common/show_plan.h"
#include "tools/common/text.h"
#include "train/memory_plan.h"

namespace memlong::train_tool {
namespace {

train::BatchExtent largest_batch(const Recipe& recipe, const model::MemorySettings& settings,
                                 const Sources& sources) {
  train::BatchExtent extent = train::batch_extent(recipe.data, settings, *sources.corpus);
  if (recipe.trainer.evaluate_every == 0) return extent;
  for (const auto& corpus : sources.held_out) {
    extent = train::beside(extent, train::batch_extent(recipe.data, settings, *corpus,
                                                       recipe.trainer.evaluate_batches));
  }
  return extent;
}

}  // namespace

void show_training_plan(const Context& context, const Arguments& arguments,
                        const engine::LoadedModel& model, const Sources& sources) {
  const Recipe& recipe = arguments.recipe;
  const bool on_gpu = context.device() == Device::cuda;
  if (!on_gpu && !arguments.common.verbose) return;
  const engine::MemoryPlan plan =
      train::plan_training(model.config, model.settings,
                           {.device = context.device(),
                            .embedding = model.store->get("model.embed_tokens.weight").dtype(),
                            .network = recipe.network,
                            .optimizer = recipe.optimizer.kind,
                            .batch = largest_batch(recipe, model.settings, sources)});
  std::string name = "the CPU";
  int64_t free = 0;
  if (on_gpu) {
    const CudaDevices found = cuda_devices();
    const CudaDevice& device = found.devices.at(static_cast<size_t>(context.device_index()));
    name = "cuda:" + std::to_string(device.index) + " (" + device.name + ")";
    free = static_cast<int64_t>(free_device_bytes(device.index));
  }
  std::string text = tools::plan_text(plan, name);
  if (on_gpu) text += tools::human_bytes(static_cast<double>(free)) + " are free there\n";
  if (!arguments.common.quiet) std::fputs(text.c_str(), stderr);
  if (on_gpu) engine::check_plan(plan, name, free, tools::max_gpu_memory(arguments.common));
}

}  // namespace memlong::train_tool
