#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/error.h"
#include "ops/adamw.h"
#include "ops/copy.h"
#include "ops/muon.h"

namespace memlong::train {
namespace {

/// A matrix inside the network: neither embedding, head nor LoRA. These decay, and Muon takes them.
bool is_inner_matrix(const Parameter& parameter) {
  const std::string& name = parameter.name;
  return parameter.is_matrix() && !name.ends_with("embed_tokens.weight") &&
         !name.ends_with("lm_head.weight") && !name.ends_with(".lora_A.weight") &&
         !name.ends_with(".lora_B.weight");
}

ops::AdamWOptions adamw_options(const OptimizerOptions& options, double lr, double scale,
                                bool decay, int64_t step) {
  return {.lr = static_cast<float>(lr),
          .beta1 = static_cast<float>(options.beta1),
          .beta2 = static_cast<float>(options.beta2),
          .eps = static_cast<float>(options.eps),
          .weight_decay = decay ? static_cast<float>(options.weight_decay) : 0.0F,
          .gradient_scale = static_cast<float>(scale),
          .step = step};
}

ops::MuonOptions muon_options(const OptimizerOptions& options, double lr, double scale,
                              bool decay) {
  return {.lr = static_cast<float>(lr),
          .momentum = static_cast<float>(options.momentum),
          .weight_decay = decay ? static_cast<float>(options.weight_decay) : 0.0F,
          .gradient_scale = static_cast<float>(scale)};
}

}  // namespace

double learning_rate(const OptimizerOptions& options, int64_t step, int64_t steps) {
  if (step < options.warmup) {
    return options.lr * static_cast<double>(step + 1) / static_cast<double>(options.warmup);
  }
  const auto length = static_cast<double>(std::max<int64_t>(1, steps - 1 - options.warmup));
  const double way = std::clamp(static_cast<double>(step - options.warmup) / length, 0.0, 1.0);
  double share = 1.0;
  if (options.decay == LrDecay::linear) share = 1.0 - way * (1.0 - options.lr_end);
  if (options.decay == LrDecay::cosine) {
    share =
        options.lr_end + (1.0 - options.lr_end) * 0.5 * (1.0 + std::cos(std::numbers::pi * way));
  }
  return options.lr * share;
}

Optimizer::Optimizer(const std::vector<Parameter>& parameters, const OptimizerOptions& options)
    : options_(options) {
  for (const Parameter& parameter : parameters) {
    const TensorView& value = parameter.value.view();
    Slot slot;
    slot.name = parameter.name;
    slot.decay = is_inner_matrix(parameter);
    slot.muon = options.kind == OptimizerKind::muon && slot.decay;
    slot.m = Tensor::zeros(value.shape(), DType::f32, value.device());
    if (!slot.muon) slot.v = Tensor::zeros(value.shape(), DType::f32, value.device());
    slots_.push_back(std::move(slot));
  }
}

StepNorms Optimizer::step(Context& context, std::vector<Parameter>& parameters, double scale,
                          int64_t step, int64_t steps, double largest) {
  MEMLONG_CHECK(parameters.size() == slots_.size(), "the optimizer was made for other parameters");
  std::vector<TensorView> gradients;
  for (const Parameter& parameter : parameters) gradients.push_back(parameter.gradient);
  StepNorms norms;
  norms.gradient = scale * std::sqrt(ops::square_sum(context, gradients));
  norms.lr = learning_rate(options_, step, steps);
  if (!std::isfinite(norms.gradient) || (largest > 0.0 && norms.gradient > largest)) return norms;
  const bool clipped = options_.clip > 0.0 && norms.gradient > options_.clip;
  const double factor = clipped ? scale * options_.clip / norms.gradient : scale;
  ++taken_;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const Parameter& p = parameters[i];
    if (slot.muon) {
      ops::muon(context, p.value, p.gradient, slot.m,
                muon_options(options_, norms.lr, factor, slot.decay));
    } else {
      ops::adamw(context, p.value, p.gradient, slot.m, slot.v,
                 adamw_options(options_, norms.lr, factor, slot.decay, taken_));
    }
  }
  norms.taken = true;
  return norms;
}

std::vector<std::pair<std::string, TensorView>> Optimizer::state() const {
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const Slot& slot : slots_) {
    tensors.emplace_back(slot.name + ".m", slot.m.view());
    if (!slot.muon) tensors.emplace_back(slot.name + ".v", slot.v.view());
  }
  return tensors;
}

void Optimizer::restore(Context& context, const std::map<std::string, TensorView>& state) {
  const auto own = this->state();
  for (const auto& [name, view] : own) {
    const auto found = state.find(name);
    if (found == state.end()) fail(ErrorKind::mismatch, "the checkpoint has no " + name);
    const TensorView& given = found->second;
    if (given.shape() != view.shape() || given.dtype() != DType::f32) {
      fail(ErrorKind::mismatch, name + " is " + std::string(dtype_name(given.dtype())) + " " +
                                    given.shape().to_string() + " in the checkpoint, not f32 " +
                                    view.shape().to_string());
    }
  }
  if (state.size() != own.size()) {
    fail(ErrorKind::mismatch, "the checkpoint has " + std::to_string(state.size()) +
                                  " tensors of the optimizer, not " + std::to_string(own.size()));
  }
  for (const auto& [name, view] : own) ops::copy(context, state.at(name), view);
}

int64_t Optimizer::steps_taken() const { return taken_; }

void Optimizer::set_steps_taken(int64_t steps) { taken_ = steps; }

}  // namespace memlong::train
