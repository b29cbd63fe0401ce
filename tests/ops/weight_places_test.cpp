#include "ops/cpu/weight_places.h"

#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace memlong::ops::cpu {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

/// The layouts that oneDNN chooses for weights on processors of all kinds, whatever this one is.
const std::vector<std::pair<std::string, Tag>>& layouts() {
  static const std::vector<std::pair<std::string, Tag>> all{
      {"ab", Tag::ab},
      {"ba", Tag::ba},
      {"BA16a16b", Tag::BA16a16b},
      {"BA16a32b", Tag::BA16a32b},
      {"BA16a48b", Tag::BA16a48b},
      {"BA16a64b", Tag::BA16a64b},
      {"BA16a16b2a", Tag::BA16a16b2a},
      {"BA16a32b2a", Tag::BA16a32b2a},
      {"BA16a48b2a", Tag::BA16a48b2a},
      {"BA16a64b2a", Tag::BA16a64b2a},
      {"BA16a64b4a", Tag::BA16a64b4a},
  };
  return all;
}

class WeightPlacesTest
    : public ::testing::TestWithParam<std::tuple<size_t, std::pair<int64_t, int64_t>, bool>> {};

/// Each element numbered, from one on, is where oneDNN's own reorder puts it.
TEST_P(WeightPlacesTest, AreThoseOfOneDnn) {
  const auto& [which, size, transposed] = GetParam();
  const auto [k, n] = size;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);

  std::vector<float> weight(static_cast<size_t>(k * n));
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(i + 1);
  const memory::desc rows({k, n}, memory::data_type::f32, Tag::ab);
  const memory::desc layout({k, n}, memory::data_type::f32, layouts()[which].second);
  std::vector<float> expected(layout.get_size() / sizeof(float));
  memory from(rows, engine, weight.data());
  memory to(layout, engine, expected.data());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();

  const WeightPlaces places(layout, transposed);
  const int64_t height = places.tile_rows();
  const int64_t width = places.tile_columns();
  std::vector<float> packed(expected.size());
  for (int64_t row = 0; row < (transposed ? k : n); ++row) {
    for (int64_t column = 0; column < (transposed ? n : k); ++column) {
      const int64_t place = places.of_tile(row / height * height, column / width * width) +
                            places.in_tile(row % height)[column % width];
      const int64_t element = transposed ? row * n + column : column * n + row;
      packed.at(static_cast<size_t>(place)) = weight[static_cast<size_t>(element)];
    }
  }
  EXPECT_EQ(packed, expected);
}

std::string name_of(const ::testing::TestParamInfo<WeightPlacesTest::ParamType>& info) {
  const auto& [which, size, transposed] = info.param;
  return layouts()[which].first + "_" + std::to_string(size.first) + "x" +
         std::to_string(size.second) + (transposed ? "_transposed" : "");
}

constexpr std::pair<int64_t, int64_t> kSizes[] = {{64, 128}, {97, 70}, {5, 3}};

INSTANTIATE_TEST_SUITE_P(All, WeightPlacesTest,
                         ::testing::Combine(::testing::Range<size_t>(0, layouts().size()),
                                            ::testing::ValuesIn(kSizes), ::testing::Bool()),
                         name_of);

}  // namespace
}  // namespace memlong::ops::cpu
