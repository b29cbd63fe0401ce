// Gradients against central differences of the loss.
#include <cmath>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "train/network_fixture.h"

namespace memlong::train {
namespace {

double loss_at(Context& context, Network& network, Parameter& parameter, const Tensor& value,
               const std::vector<double>& direction, double step, const Batch& batch) {
  for (size_t i = 0; i < direction.size(); ++i) {
    parameter.value.data<float>()[i] =
        static_cast<float>(static_cast<double>(value.data<float>()[i]) + step * direction[i]);
  }
  network.refresh(context);
  return network.evaluate(context, batch).loss;
}

/// The slope of the loss along `direction` (of norm 1), by a step that moves it by about 0.02.
double slope(Context& context, Network& network, Parameter& parameter,
             const std::vector<double>& direction, double norm, const Batch& batch) {
  const Tensor value = Tensor::copy_of(parameter.value);
  const double step = std::min(0.02 / norm, 0.05);
  const double up = loss_at(context, network, parameter, value, direction, step, batch);
  const double down = loss_at(context, network, parameter, value, direction, -step, batch);
  (void)loss_at(context, network, parameter, value, direction, 0.0, batch);
  return (up - down) / (2.0 * step);
}

/// Every parameter, along its gradient and along a random direction.
void check_gradients(const model::ModelConfig& config, const NetworkOptions& options,
                     const Batch& batch, size_t parameters) {
  Context context;
  const auto network = small_network(context, config, options);
  ASSERT_EQ(network->parameters().size(), parameters);
  uint64_t seed = 100;
  for (Parameter& parameter : network->parameters()) {
    if (parameter.name.ends_with("lora_B.weight")) fill_random(parameter.value, 0.3F, ++seed);
  }
  network->refresh(context);
  network->zero_gradients(context);
  network->forward_backward(context, batch, 1.0F);
  for (Parameter& parameter : network->parameters()) {
    const auto count = static_cast<size_t>(parameter.value.view().elements());
    const float* gradient = parameter.gradient.data<float>();
    const std::vector<double> along(gradient, gradient + count);
    const double norm =
        std::sqrt(std::inner_product(along.begin(), along.end(), along.begin(), 0.0));
    ASSERT_GT(norm, 1e-3) << parameter.name;
    Tensor noise(parameter.value.shape(), DType::f32);
    fill_random(noise, 1.0F, ++seed);
    std::vector<double> random(noise.data<float>(), noise.data<float>() + count);
    const double length =
        std::sqrt(std::inner_product(random.begin(), random.end(), random.begin(), 0.0));
    for (double& x : random) x /= length;
    std::vector<double> unit = along;
    for (double& x : unit) x /= norm;
    const double tolerance = 3e-3 * norm;
    EXPECT_NEAR(slope(context, *network, parameter, unit, norm, batch), norm, tolerance)
        << parameter.name;
    const double expected = std::inner_product(along.begin(), along.end(), random.begin(), 0.0);
    EXPECT_NEAR(slope(context, *network, parameter, random, norm, batch), expected, tolerance)
        << parameter.name;
  }
}

TEST(NetworkDifferences, WholeNetworkWithMixedMemory) {
  check_gradients(small_config(), {.part = TrainPart::all, .dtype = DType::f32}, small_batch(),
                  4 * 9 + 3);
}

TEST(NetworkDifferences, BiasesOfQueryKeyValue) {
  model::ModelConfig config = small_config();
  config.qkv_bias = true;
  config.tied_head = true;
  check_gradients(config, {.part = TrainPart::all, .dtype = DType::f32}, small_batch(), 4 * 12 + 2);
}

TEST(NetworkDifferences, UpperLayersWithBiases) {
  model::ModelConfig config = small_config();
  config.qkv_bias = true;
  config.o_bias = true;
  config.mlp_bias = true;
  // Layer m: q, o, gate, up, down with biases, and a norm. Above: all. Final norm, head.
  check_gradients(config, {.part = TrainPart::upper, .dtype = DType::f32}, small_batch(),
                  11 + 2 * 16 + 2);
}

TEST(NetworkDifferences, LoraOnAllProducts) {
  NetworkOptions options{.part = TrainPart::lora, .dtype = DType::f32};
  options.lora.rank = 3;
  options.lora.alpha = 4.5;
  options.lora.targets = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                          "gate_proj", "up_proj", "down_proj"};
  model::ModelConfig config = small_config();
  config.qkv_bias = true;
  // Layer m: five pairs and a norm. Above: seven pairs and two norms. Final norm.
  check_gradients(config, options, small_batch(), 11 + 2 * 16 + 1);
}

TEST(NetworkDifferences, LoraOnOneHalfOfAStackedProduct) {
  NetworkOptions options{.part = TrainPart::lora, .memory_layer = false, .dtype = DType::f32};
  options.lora.rank = 2;
  options.lora.targets = {"v_proj", "up_proj"};
  options.lora.norms = false;
  check_gradients(small_config(), options, small_batch(), 2 * 4);
}

}  // namespace
}  // namespace memlong::train
