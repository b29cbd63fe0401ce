// The golden models of tests/data: tiny random networks with values that an independent float64
// implementation computed.
#pragma once

#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "backbone/weights.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/weights.h"
#include "ops/copy.h"
#include "support/paths.h"
#include "tensor/context.h"

namespace memlong::test {

/// |a - b| / |b| over all elements; a may be strided.
inline double relative_error(Context& context, const TensorView& a, const TensorView& b) {
  const Tensor x = ops::convert(context, Tensor::copy_of(a), DType::f32);
  const Tensor y = ops::convert(context, b, DType::f32);
  EXPECT_EQ(a.elements(), b.elements());
  double difference = 0.0;
  double norm = 0.0;
  for (int64_t i = 0; i < b.elements(); ++i) {
    const double want = y.data<float>()[i];
    const double d = x.data<float>()[i] - want;
    difference += d * d;
    norm += want * want;
  }
  return std::sqrt(difference / norm);
}

struct GoldenSegment {
  int64_t begin = 0;
  int64_t end = 0;
  std::vector<int64_t> past_chunks;
};

struct Golden {
  explicit Golden(const std::string& name)
      : folder(data_dir() + "/" + name),
        values(folder + "/golden.safetensors"),
        config(model::load_config(folder)),
        store(std::make_shared<model::WeightStore>(model::WeightStore::open(folder))) {
    memory_layer = std::stoll(values.metadata().at("memory_layer"));
    chunk = std::stoll(values.metadata().at("chunk"));
    std::stringstream list(values.metadata().at("read_layers"));
    for (std::string layer; std::getline(list, layer, ',');) {
      reading_layers.push_back(std::stoll(layer));
    }
    for (const auto& item : nlohmann::json::parse(values.metadata().at("segments"))) {
      segments.push_back({item["begin"], item["end"], item["past_chunks"]});
    }
    ids = read_ids("ids");
  }

  [[nodiscard]] std::vector<int32_t> read_ids(const std::string& name) const {
    const Tensor copy = Tensor::copy_of(values.get(name));
    return {copy.data<int32_t>(), copy.data<int32_t>() + copy.view().elements()};
  }

  std::string folder;
  model::SafetensorsFile values;
  model::ModelConfig config;
  std::shared_ptr<model::WeightStore> store;
  int64_t memory_layer = 0;
  int64_t chunk = 0;
  std::vector<int64_t> reading_layers;
  std::vector<GoldenSegment> segments;
  std::vector<int32_t> ids;
};

/// The allowed relative error of what the writer computes.
inline double golden_tolerance(DType dtype) { return dtype == DType::f32 ? 1e-5 : 2e-2; }

/// The same for the upper layers and the logits. The golden models have f32 weights: rounding those
/// to bf16 alone, everything else exact, moves the logits by 1.3 to 1.9 %, rounding what goes into
/// the products as well by 1.8 to 2.4 %.
inline double golden_upper_tolerance(DType dtype) { return dtype == DType::f32 ? 1e-5 : 4e-2; }

}  // namespace memlong::test
