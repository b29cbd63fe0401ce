#include "train/optimizer.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong::train {
namespace {

Tensor random(const Shape& shape, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Tensor tensor(shape, DType::f32);
  for (int64_t i = 0; i < shape.elements(); ++i) tensor.data<float>()[i] = normal(generator);
  return tensor;
}

/// One of each sort: a matrix, a norm, embedding, head, and LoRA's two.
std::vector<Parameter> make_parameters() {
  const std::vector<std::pair<std::string, Shape>> all = {
      {"model.layers.1.mlp.up_proj.weight", {12, 8}},
      {"model.norm.weight", {8}},
      {"model.embed_tokens.weight", {20, 8}},
      {"lm_head.weight", {20, 8}},
      {"model.layers.1.self_attn.q_proj.lora_A.weight", {2, 8}},
      {"model.layers.1.self_attn.q_proj.lora_B.weight", {8, 2}}};
  std::vector<Parameter> parameters;
  for (const auto& [name, shape] : all) {
    const auto seed = static_cast<uint32_t>(parameters.size());
    parameters.push_back({name, random(shape, seed), random(shape, 100 + seed)});
  }
  return parameters;
}

std::vector<float> values(const Tensor& x) {
  return {x.data<float>(), x.data<float>() + x.view().elements()};
}

std::vector<std::vector<float>> values(const std::vector<Parameter>& parameters) {
  std::vector<std::vector<float>> all;
  for (const Parameter& parameter : parameters) all.push_back(values(parameter.value));
  return all;
}

double norm_of(const std::vector<Parameter>& parameters) {
  double sum = 0.0;
  for (const Parameter& parameter : parameters) {
    for (const float g : values(parameter.gradient)) sum += static_cast<double>(g) * g;
  }
  return std::sqrt(sum);
}

std::map<std::string, TensorView> as_map(const Optimizer& optimizer) {
  const auto state = optimizer.state();
  return {state.begin(), state.end()};
}

TEST(LearningRate, WarmsUpAndFollowsItsCourse) {
  OptimizerOptions options{.lr = 2.0, .warmup = 4, .lr_end = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 105), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 105), 1.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3, 105), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 105), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 54, 105), 2.0 * 0.55) << "half way";
  EXPECT_DOUBLE_EQ(learning_rate(options, 29, 105), 2.0 * (0.1 + 0.45 * (1 + std::sqrt(0.5))));
  EXPECT_DOUBLE_EQ(learning_rate(options, 104, 105), 0.2) << "the last step";
  options.decay = LrDecay::linear;
  EXPECT_DOUBLE_EQ(learning_rate(options, 29, 105), 2.0 * 0.775);
  EXPECT_DOUBLE_EQ(learning_rate(options, 104, 105), 0.2);
  options.decay = LrDecay::constant;
  EXPECT_DOUBLE_EQ(learning_rate(options, 104, 105), 2.0);
}

TEST(LearningRate, OddLengths) {
  OptimizerOptions options{.lr = 1.0, .warmup = 0, .lr_end = 0.0};
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1), 1.0) << "a single step is not wasted";
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 10), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 50, 10), 0.0) << "past the end it stays";
  options.warmup = 100;
  EXPECT_DOUBLE_EQ(learning_rate(options, 9, 10), 0.1) << "warm-up longer than the run";
}

TEST(Optimizer, ReportsTheScaledNormBeforeClipping) {
  Context context;
  auto parameters = make_parameters();
  Optimizer optimizer(parameters, {.warmup = 0, .clip = 0.01});
  const StepNorms norms = optimizer.step(context, parameters, 0.25, 0, 10);
  EXPECT_TRUE(norms.taken);
  EXPECT_NEAR(norms.gradient, 0.25 * norm_of(parameters), 1e-9);
  EXPECT_DOUBLE_EQ(norms.lr, 3e-4);
  EXPECT_EQ(optimizer.steps_taken(), 1);
}

/// Adam forgets the size of the gradient, its first moment does not.
TEST(Optimizer, ClipsTheWholeGradientToOneNorm) {
  Context context;
  auto parameters = make_parameters();
  const double norm = norm_of(parameters);
  Optimizer optimizer(parameters, {.warmup = 0, .beta1 = 0.0, .clip = 0.5});
  optimizer.step(context, parameters, 2.0, 0, 10);
  double sum = 0.0;
  for (const Parameter& parameter : parameters) {
    const TensorView m = as_map(optimizer).at(parameter.name + ".m");
    const auto gradient = values(parameter.gradient);
    for (int64_t i = 0; i < m.elements(); ++i) {
      const double value = m.data<float>()[i];
      EXPECT_NEAR(value, gradient[static_cast<size_t>(i)] * 0.5 / norm, 1e-6);
      sum += value * value;
    }
  }
  EXPECT_NEAR(std::sqrt(sum), 0.5, 1e-5);
}

TEST(Optimizer, GradientsWithinTheNormAreNotClipped) {
  Context context;
  auto parameters = make_parameters();
  Optimizer optimizer(parameters, {.warmup = 0, .beta1 = 0.0, .clip = 1e6});
  optimizer.step(context, parameters, 1.0, 0, 10);
  const TensorView m = as_map(optimizer).at("model.norm.weight.m");
  EXPECT_FLOAT_EQ(m.data<float>()[3], parameters[1].gradient.data<float>()[3]);
}

TEST(Optimizer, ABadGradientChangesNothing) {
  Context context;
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
    auto parameters = make_parameters();
    Optimizer optimizer(parameters, {.kind = kind, .warmup = 0});
    optimizer.step(context, parameters, 1.0, 0, 10);
    const auto before = values(parameters);
    const auto moment = values(Tensor::copy_of(as_map(optimizer).at("model.norm.weight.m")));
    const double norm = norm_of(parameters);
    EXPECT_FALSE(optimizer.step(context, parameters, 1.0, 1, 10, 0.99 * norm).taken);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const float good = std::exchange(parameters[2].gradient.data<float>()[7], bad);
      const StepNorms norms = optimizer.step(context, parameters, 1.0, 1, 10);
      EXPECT_FALSE(norms.taken);
      EXPECT_FALSE(std::isfinite(norms.gradient));
      parameters[2].gradient.data<float>()[7] = good;
    }
    EXPECT_EQ(values(parameters), before);
    EXPECT_EQ(values(Tensor::copy_of(as_map(optimizer).at("model.norm.weight.m"))), moment);
    EXPECT_EQ(optimizer.steps_taken(), 1);
    EXPECT_TRUE(optimizer.step(context, parameters, 1.0, 1, 10, 1.01 * norm).taken);
    EXPECT_NE(values(parameters), before);
  }
}

TEST(Optimizer, OnlyInnerMatricesDecay) {
  Context context;
  auto parameters = make_parameters();
  for (Parameter& parameter : parameters) {
    parameter.gradient = Tensor::zeros(parameter.value.shape(), DType::f32);
  }
  const auto before = values(parameters);
  Optimizer optimizer(parameters, {.lr = 0.1, .warmup = 0, .weight_decay = 0.5});
  optimizer.step(context, parameters, 1.0, 0, 10);
  const auto after = values(parameters);
  for (size_t i = 0; i < before[0].size(); ++i) {
    EXPECT_NEAR(after[0][i], 0.95F * before[0][i], 1e-6);
  }
  for (size_t p = 1; p < after.size(); ++p) EXPECT_EQ(after[p], before[p]) << parameters[p].name;
}

TEST(Optimizer, MuonTakesInnerMatricesOnly) {
  const auto parameters = make_parameters();
  const Optimizer adamw(parameters, {});
  EXPECT_EQ(adamw.state().size(), 12U);
  const Optimizer muon(parameters, {.kind = OptimizerKind::muon});
  const auto state = as_map(muon);
  EXPECT_EQ(state.size(), 11U);
  EXPECT_FALSE(state.contains("model.layers.1.mlp.up_proj.weight.v"));
  EXPECT_TRUE(state.contains("lm_head.weight.v"));
}

TEST(Optimizer, GoesOnFromItsState) {
  Context context;
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
    const OptimizerOptions options{.kind = kind, .lr = 0.01, .warmup = 3};
    auto straight = make_parameters();
    Optimizer first(straight, options);
    for (int64_t step = 0; step < 3; ++step) first.step(context, straight, 1.0, step, 6);
    auto resumed = make_parameters();
    for (size_t i = 0; i < resumed.size(); ++i) {
      resumed[i].value = Tensor::copy_of(straight[i].value);
    }
    Optimizer second(resumed, options);
    second.restore(context, as_map(first));
    second.set_steps_taken(first.steps_taken());
    for (int64_t step = 3; step < 6; ++step) {
      first.step(context, straight, 1.0, step, 6);
      second.step(context, resumed, 1.0, step, 6);
    }
    EXPECT_EQ(values(straight), values(resumed));
  }
}

TEST(Optimizer, StatesOfOthersAreRefused) {
  Context context;
  const auto parameters = make_parameters();
  Optimizer optimizer(parameters, {});
  const auto refused = [&](const std::map<std::string, TensorView>& state) {
    try {
      optimizer.restore(context, state);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::mismatch;
    }
    return false;
  };
  const Optimizer muon(parameters, {.kind = OptimizerKind::muon});
  EXPECT_TRUE(refused(as_map(muon))) << "a tensor is missing";
  auto state = as_map(optimizer);
  state["more.m"] = state.begin()->second;
  EXPECT_TRUE(refused(state)) << "one too many";
  state = as_map(optimizer);
  state["model.norm.weight.m"] = state.at("lm_head.weight.m");
  EXPECT_TRUE(refused(state)) << "another shape";
  EXPECT_FALSE(refused(as_map(optimizer)));
}

}  // namespace
}  // namespace memlong::train
