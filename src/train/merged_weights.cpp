// The weights as they are now, as a model's: with every LoRA merged.
#include <map>
#include <string>
#include <utility>

#include "ops/copy.h"
#include "ops/gemm.h"
#include "ops/scale.h"
#include "train/host_tensors.h"
#include "train/network_impl.h"

namespace memlong::train {
namespace {

const std::string kA = ".lora_A.weight";
const std::string kB = ".lora_B.weight";

/// W + scale B A, f32, in main memory.
Tensor merge(Context& context, const TensorView& base, const TensorView& a, const TensorView& b,
             float scale) {
  Tensor merged = ops::convert(context, base, DType::f32);
  const TensorView scaled = context.scratch("merge.scaled", b.shape(), DType::f32);
  ops::scale(context, b, scale, scaled);
  ops::gemm(context, scaled, a, merged, {.accumulate = true});
  return on_host(context, merged);
}

}  // namespace

std::shared_ptr<const backbone::LlamaWeights> Network::merged_weights(Context& context) const {
  const Impl& impl = *impl_;
  const LoraOptions& lora = impl.options.lora;
  const auto scale = static_cast<float>(lora.alpha / static_cast<double>(lora.rank));
  auto store = std::make_shared<model::WeightStore>(*impl.store);
  std::map<std::string, TensorView> firsts;  // A by the layer's name
  for (const Parameter& parameter : impl.weights.parameters) {
    const std::string& name = parameter.name;
    if (name.ends_with(kA)) {
      firsts[name.substr(0, name.size() - kA.size())] = parameter.value;
    } else if (name.ends_with(kB)) {
      const std::string layer = name.substr(0, name.size() - kB.size());
      const std::string weight = layer + ".weight";
      store->replace(weight, merge(context, impl.store->get(weight), firsts.at(layer),
                                   parameter.value, scale));
    } else {
      store->replace(name, on_host(context, parameter.value));
    }
  }
  return backbone::load_weights(context, std::move(store), impl.config, impl.options.dtype,
                                impl.window);
}

}  // namespace memlong::train
