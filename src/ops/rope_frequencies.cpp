// The scalings as Hugging Face transformers computes them (modeling_rope_utils.py).
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "common/error.h"
#include "ops/rope.h"

namespace memlong::ops {
namespace {

std::vector<double> plain_frequencies(double theta, int64_t head_dim) {
  std::vector<double> inverse;
  for (int64_t i = 0; i < head_dim; i += 2) {
    inverse.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(head_dim)));
  }
  return inverse;
}

/// The base grows with the window, and with nothing else.
double dynamic_theta(const RopeParameters& parameters, int64_t head_dim, int64_t positions) {
  const auto original = static_cast<double>(parameters.original_positions);
  const double length = std::max(static_cast<double>(positions), original);
  const auto dim = static_cast<double>(head_dim);
  const double growth = parameters.factor * length / original - (parameters.factor - 1.0);
  return parameters.theta * std::pow(growth, dim / (dim - 2.0));
}

double llama3_frequency(const RopeParameters& parameters, double frequency) {
  const auto original = static_cast<double>(parameters.original_positions);
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  if (wavelength < original / parameters.high_freq_factor) return frequency;
  if (wavelength > original / parameters.low_freq_factor) return frequency / parameters.factor;
  const double smooth = (original / wavelength - parameters.low_freq_factor) /
                        (parameters.high_freq_factor - parameters.low_freq_factor);
  return (1.0 - smooth) * frequency / parameters.factor + smooth * frequency;
}

/// The dimension that turns `rotations` times within the original window.
double yarn_dimension(const RopeParameters& parameters, double rotations, double dim) {
  const auto original = static_cast<double>(parameters.original_positions);
  return dim * std::log(original / (rotations * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(parameters.theta));
}

void scale_yarn(const RopeParameters& parameters, double dim, std::vector<double>& inverse) {
  double low = yarn_dimension(parameters, parameters.beta_fast, dim);
  double high = yarn_dimension(parameters, parameters.beta_slow, dim);
  if (parameters.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    inverse[i] = inverse[i] / parameters.factor * ramp + inverse[i] * (1.0 - ramp);
  }
}

double yarn_amplitude(const RopeParameters& parameters) {
  if (parameters.attention_factor > 0.0) return parameters.attention_factor;
  const auto magnitude = [&](double mscale) {
    return parameters.factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(parameters.factor) + 1.0;
  };
  if (parameters.mscale != 0.0 && parameters.mscale_all_dim != 0.0) {
    return magnitude(parameters.mscale) / magnitude(parameters.mscale_all_dim);
  }
  return magnitude(1.0);
}

void check(const RopeParameters& parameters, int64_t head_dim) {
  if (head_dim <= 0 || head_dim % 2 != 0) {
    fail(ErrorKind::config,
         "rotary embedding needs an even head_dim, not " + std::to_string(head_dim));
  }
  if (!(parameters.theta > 1.0) || !std::isfinite(parameters.theta)) {
    fail(ErrorKind::config, "rope_theta must be above 1");
  }
  if (parameters.scaling == RopeScaling::none) return;
  if (!(parameters.factor > 0.0) || !std::isfinite(parameters.factor)) {
    fail(ErrorKind::config, "rope scaling: factor must be above 0");
  }
  if (parameters.scaling == RopeScaling::linear) return;
  if (parameters.original_positions <= 0) {
    fail(ErrorKind::config, "rope scaling: original_max_position_embeddings must be above 0");
  }
  if (parameters.scaling == RopeScaling::dynamic && head_dim == 2) {
    fail(ErrorKind::config, "dynamic rope scaling needs a head_dim above 2");
  }
  if (parameters.scaling == RopeScaling::llama3 &&
      !(parameters.low_freq_factor > 0.0 &&
        parameters.high_freq_factor > parameters.low_freq_factor)) {
    fail(ErrorKind::config, "llama3 rope scaling needs 0 < low_freq_factor < high_freq_factor");
  }
  if (parameters.scaling == RopeScaling::yarn &&
      !(parameters.beta_slow > 0.0 && parameters.beta_fast > parameters.beta_slow)) {
    fail(ErrorKind::config, "yarn rope scaling needs 0 < beta_slow < beta_fast");
  }
}

}  // namespace

RopeFrequencies rope_frequencies(const RopeParameters& parameters, int64_t head_dim,
                                 int64_t positions) {
  check(parameters, head_dim);
  const double theta = parameters.scaling == RopeScaling::dynamic
                           ? dynamic_theta(parameters, head_dim, positions)
                           : parameters.theta;
  RopeFrequencies result{plain_frequencies(theta, head_dim), 1.0};
  if (parameters.scaling == RopeScaling::linear) {
    for (double& frequency : result.inverse) frequency /= parameters.factor;
  } else if (parameters.scaling == RopeScaling::llama3) {
    for (double& frequency : result.inverse) frequency = llama3_frequency(parameters, frequency);
  } else if (parameters.scaling == RopeScaling::yarn) {
    scale_yarn(parameters, static_cast<double>(head_dim), result.inverse);
    result.amplitude = yarn_amplitude(parameters);
  }
  return result;
}

}  // namespace memlong::ops
