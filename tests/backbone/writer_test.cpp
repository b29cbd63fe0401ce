#include "backbone/writer.h"

#include <cstring>
#include <span>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "support/golden.h"

namespace memlong::backbone {
namespace {

class GoldenWriter : public testing::TestWithParam<std::tuple<const char*, DType>> {};

TEST_P(GoldenWriter, HiddenStatesKeysAndValues) {
  const auto& [name, dtype] = GetParam();
  Context context;
  const test::Golden golden(name);
  const auto count = static_cast<int64_t>(golden.ids.size());
  const auto weights =
      load_weights(context, golden.store, golden.config, dtype, count, golden.memory_layer);
  const Writer writer(weights, golden.memory_layer);
  KvCache cache(golden.config, golden.memory_layer, count, dtype);
  const Tensor x({count, golden.config.hidden}, DType::f32);
  int64_t seen = 0;
  writer.forward(context, golden.ids, cache, 0, x, [&](int64_t layer, const TensorView& hidden) {
    const TensorView want = golden.values.get("hidden." + std::to_string(layer));
    EXPECT_LE(test::relative_error(context, hidden, want), test::golden_tolerance(dtype)) << layer;
    ++seen;
  });
  EXPECT_EQ(seen, golden.memory_layer + 1);

  const Tensor k({golden.config.kv_heads, count, golden.config.head_dim}, DType::f32);
  const Tensor v(k.shape(), DType::f32);
  writer.keys_values(context, x, k, v);
  EXPECT_LE(test::relative_error(context, k, golden.values.get("memory_layer.k_raw")),
            test::golden_tolerance(dtype));
  EXPECT_LE(test::relative_error(context, v, golden.values.get("memory_layer.v")),
            test::golden_tolerance(dtype));
}

TEST_P(GoldenWriter, ManyWindowsAtOnceAreReadEachByItself) {
  const auto& [name, dtype] = GetParam();
  Context context;
  const test::Golden golden(name);
  const auto count = static_cast<int64_t>(golden.ids.size());
  const auto weights =
      load_weights(context, golden.store, golden.config, dtype, count, golden.memory_layer);
  const Writer writer(weights, golden.memory_layer);
  std::vector<int32_t> ids;
  std::vector<int64_t> lengths;
  const Tensor alone({3 * count, golden.config.hidden}, DType::f32);
  KvCache cache(golden.config, golden.memory_layer, count, dtype);
  for (const int64_t length : {count / 2, count, int64_t{1}, count - 3}) {
    const auto part = std::span(golden.ids).last(static_cast<size_t>(length));
    const auto begin = static_cast<int64_t>(ids.size());
    ids.insert(ids.end(), part.begin(), part.end());
    lengths.push_back(length);
    writer.forward(context, part, cache, 0, alone.view().slice(0, begin, begin + length));
  }
  const auto rows = static_cast<int64_t>(ids.size());
  const Tensor x({rows, golden.config.hidden}, DType::f32);
  writer.forward_windows(context, ids, lengths, x);
  EXPECT_LE(test::relative_error(context, x, alone.view().slice(0, 0, rows)),
            test::golden_tolerance(dtype));

  writer.forward_windows(context, golden.ids, std::span(&lengths[1], 1),
                         x.view().slice(0, 0, count));
  writer.forward(context, golden.ids, cache, 0, alone.view().slice(0, 0, count));
  EXPECT_EQ(std::memcmp(x.view().raw(), alone.view().raw(),
                        static_cast<size_t>(count * golden.config.hidden) * sizeof(float)),
            0)
      << "one window gives the same bits";
}

TEST_P(GoldenWriter, PiecesGiveTheSameAsOneGo) {
  const auto& [name, dtype] = GetParam();
  Context context;
  const test::Golden golden(name);
  const auto count = static_cast<int64_t>(golden.ids.size());
  const auto weights =
      load_weights(context, golden.store, golden.config, dtype, count, golden.memory_layer);
  const Writer writer(weights, golden.memory_layer);
  KvCache cache(golden.config, golden.memory_layer, count, dtype);
  const Tensor x({count, golden.config.hidden}, DType::f32);
  for (int64_t begin = 0; begin < count;) {
    const int64_t end = std::min(count, begin + 1 + begin % 7);
    const auto ids =
        std::span(golden.ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    writer.forward(context, ids, cache, begin, x.view().slice(0, begin, end));
    begin = end;
  }
  const TensorView want = golden.values.get("hidden." + std::to_string(golden.memory_layer));
  EXPECT_LE(test::relative_error(context, x, want), test::golden_tolerance(dtype));
}

INSTANTIATE_TEST_SUITE_P(All, GoldenWriter,
                         testing::Combine(testing::Values("tiny-mha", "tiny-gqa", "tiny-head20"),
                                          testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace memlong::backbone
