// Directions in double precision. Internal to the retriever.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace memlong::retriever {

template <class A, class B>
double dot(std::span<A> a, std::span<B> b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

template <class T>
double length(std::span<T> values) {
  return std::sqrt(dot(values, values));
}

/// out = values / |values|; zero where the length is not a number above `least`.
inline void write_unit(std::span<const double> values, double least, std::span<float> out) {
  const double norm = length(values);
  const bool some = norm > least && std::isfinite(norm);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = some ? static_cast<float>(values[i] / norm) : 0.0F;
  }
}

}  // namespace memlong::retriever
