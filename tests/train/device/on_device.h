// What tests of training on a CUDA device hold against the CPU.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "train/host_tensors.h"
#include "train/network_fixture.h"

namespace memlong::train {

using Values = std::map<std::string, std::vector<float>>;

inline std::vector<float> host_values(Context& context, const TensorView& view) {
  const Tensor host = on_host(context, view);
  return {host.data<float>(), host.data<float>() + host.view().elements()};
}

inline Values values_of(Context& context, Network& network) {
  Values values;
  for (const Parameter& p : network.parameters()) values[p.name] = host_values(context, p.value);
  return values;
}

inline Values gradients_of(Context& context, Network& network) {
  Values values;
  for (const Parameter& p : network.parameters()) {
    values[p.name] = host_values(context, p.gradient);
  }
  return values;
}

/// |a - b| / |b|, with Euclidean norms.
inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// Each tensor is near the other's. Where all of it is zero for the other, it is zero.
inline void expect_near(const Values& found, const Values& wanted, double tolerance) {
  ASSERT_EQ(found.size(), wanted.size());
  for (const auto& [name, values] : wanted) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_LE(relative_error(found.at(name), values), tolerance) << name;
  }
}

/// How far training came: a - b for each tensor.
inline Values difference_of(Values a, const Values& b) {
  for (auto& [name, values] : a) {
    for (size_t i = 0; i < values.size(); ++i) values[i] -= b.at(name)[i];
  }
  return a;
}

/// The small model with everything that may have a bias, and a head of its own.
inline model::ModelConfig config_with_biases() {
  model::ModelConfig config = small_config();
  config.qkv_bias = true;
  config.o_bias = true;
  config.mlp_bias = true;
  config.tied_head = false;
  return config;
}

}  // namespace memlong::train
