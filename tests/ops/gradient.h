// Gradients by central differences of a function in double precision.
#pragma once

#include <functional>
#include <vector>

namespace memlong::ops::reference {

using Function = std::function<std::vector<double>(const std::vector<double>&)>;

/// The gradient of sum_i along[i] f(x)[i] with respect to x.
inline std::vector<double> slopes(std::vector<double> x, const std::vector<double>& along,
                                  const Function& f) {
  constexpr double kStep = 1e-5;
  const auto total = [&] {
    const std::vector<double> out = f(x);
    double sum = 0.0;
    for (size_t i = 0; i < out.size(); ++i) sum += along.at(i) * out[i];
    return sum;
  };
  std::vector<double> gradient;
  for (double& element : x) {
    const double before = element;
    element = before + kStep;
    const double above = total();
    element = before - kStep;
    gradient.push_back((above - total()) / (2.0 * kStep));
    element = before;
  }
  return gradient;
}

/// a + b
inline std::vector<double> sum(std::vector<double> a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b.at(i);
  return a;
}

}  // namespace memlong::ops::reference
