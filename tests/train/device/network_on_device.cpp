// Passes of train::Network on a CUDA device, beside the same on the CPU.
#include <functional>

#include <gtest/gtest.h>

#include "train/device/on_device.h"

namespace memlong::train {
namespace {

struct PassCase {
  std::string name;
  TrainPart part = TrainPart::all;
  DType dtype = DType::f32;
  std::function<void(model::ModelConfig&, NetworkOptions&)> change = {};
};

void PrintTo(const PassCase& pass, std::ostream* out) { *out << pass.name; }

struct PassResult {
  LossSums trained;
  LossSums evaluated;
  Values gradients;
  std::vector<float> written;
};

PassResult pass_on(Device device, const PassCase& pass) {
  Context context({.device = device});
  NetworkOptions options{.part = pass.part, .dtype = pass.dtype};
  model::ModelConfig config = small_config();
  if (pass.change) pass.change(config, options);
  const auto network = small_network(context, config, options);
  const Batch batch = small_batch();
  PassResult result;
  network->zero_gradients(context);
  result.evaluated = network->evaluate(context, batch);
  // Twice: gradients add up, and buffers are used again.
  result.trained = network->forward_backward(context, batch, 0.5F);
  network->forward_backward(context, batch, 0.25F);
  const WrittenMemory written = network->written(1);
  EXPECT_EQ(written.k.view().device(), device);
  for (const Parameter& parameter : network->parameters()) {
    EXPECT_EQ(parameter.value.view().device(), device);
    EXPECT_EQ(parameter.gradient.view().device(), device);
  }
  result.gradients = gradients_of(context, *network);
  Context cpu;
  for (const Tensor& each : {written.k, written.v}) {
    const std::vector<float> values =
        host_values(cpu, ops::convert(cpu, on_host(context, each), DType::f32));
    result.written.insert(result.written.end(), values.begin(), values.end());
  }
  return result;
}

class NetworkOnDevice : public testing::TestWithParam<PassCase> {};

TEST_P(NetworkOnDevice, GivesTheGradientsOfTheCpuAndTheSameBitsTwice) {
  const PassCase& pass = GetParam();
  const double tolerance = pass.dtype == DType::f32 ? 2e-5 : 4e-2;
  const PassResult found = pass_on(Device::cuda, pass);
  const PassResult wanted = pass_on(Device::cpu, pass);
  EXPECT_NEAR(found.trained.loss, wanted.trained.loss, 0.1 * tolerance * wanted.trained.loss);
  EXPECT_EQ(found.trained.loss, found.evaluated.loss);
  EXPECT_EQ(found.trained.targets, wanted.trained.targets);
  EXPECT_EQ(found.trained.weight, wanted.trained.weight);
  EXPECT_LE(relative_error(found.written, wanted.written), tolerance);
  expect_near(found.gradients, wanted.gradients, tolerance);
  const PassResult again = pass_on(Device::cuda, pass);
  EXPECT_EQ(again.trained.loss, found.trained.loss);
  EXPECT_EQ(again.written, found.written);
  EXPECT_EQ(again.gradients, found.gradients);
}

std::vector<PassCase> cases() {
  const auto biases = [](model::ModelConfig& config, NetworkOptions& /*options*/) {
    config = config_with_biases();
  };
  const auto tied = [](model::ModelConfig& config, NetworkOptions& /*options*/) {
    config.tied_head = true;
  };
  const auto recompute = [](model::ModelConfig& /*config*/, NetworkOptions& options) {
    options.recompute = true;
  };
  const auto every_target = [](model::ModelConfig& /*config*/, NetworkOptions& options) {
    options.lora.rank = 3;
    options.lora.targets = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                            "gate_proj", "up_proj", "down_proj"};
  };
  return {{"all", TrainPart::all},
          {"all_bf16", TrainPart::all, DType::bf16},
          {"all_with_biases", TrainPart::all, DType::f32, biases},
          {"all_tied", TrainPart::all, DType::f32, tied},
          {"all_recompute", TrainPart::all, DType::f32, recompute},
          {"upper", TrainPart::upper},
          {"upper_bf16", TrainPart::upper, DType::bf16},
          {"upper_with_biases", TrainPart::upper, DType::f32, biases},
          {"lora", TrainPart::lora},
          {"lora_every_target", TrainPart::lora, DType::f32, every_target}};
}

std::string name_of(const testing::TestParamInfo<PassCase>& pass) { return pass.param.name; }

INSTANTIATE_TEST_SUITE_P(All, NetworkOnDevice, testing::ValuesIn(cases()), name_of);

/// A LoRA that has learnt something, merged.
Values merged_on(Device device) {
  Context context({.device = device});
  const auto network =
      small_network(context, small_config(), {.part = TrainPart::lora, .dtype = DType::f32});
  uint64_t seed = 40;
  for (const Parameter& parameter : network->parameters()) {
    const Tensor host(parameter.value.shape(), DType::f32);
    fill_random(host, 0.3F, ++seed);
    ops::copy(context, host, parameter.value);
  }
  network->refresh(context);
  const auto weights = network->merged_weights(context);
  Context cpu;
  Values values;
  for (const std::string& name : weights->store->names()) {
    values[name] = host_values(cpu, ops::convert(cpu, weights->store->get(name), DType::f32));
  }
  return values;
}

TEST(NetworkOnDevice, MergesALoraIntoWeightsInMainMemory) {
  expect_near(merged_on(Device::cuda), merged_on(Device::cpu), 1e-6);
}

}  // namespace
}  // namespace memlong::train
