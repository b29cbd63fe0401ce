#include "ops/rope.h"

#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/gradient.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::slopes;
using reference::values;

void expect_frequencies(const RopeFrequencies& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.inverse.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual.inverse[i] / expected[i], 1.0, 1e-6) << i;
  }
}

TEST(RopeFrequencies, Plain) {
  const RopeFrequencies plain = rope_frequencies({}, 8, 1024);
  expect_frequencies(plain, {1.0, 0.1, 0.01, 0.001});
  EXPECT_EQ(plain.amplitude, 1.0);
  expect_frequencies(rope_frequencies({.theta = 1e6}, 4, 10), {1.0, 0.001});
}

TEST(RopeFrequencies, Linear) {
  expect_frequencies(rope_frequencies({.scaling = RopeScaling::linear, .factor = 4.0}, 4, 1024),
                     {0.25, 0.0025});
}

TEST(RopeFrequencies, DynamicGrowsThePowerOfTheBase) {
  const RopeParameters p{.scaling = RopeScaling::dynamic, .factor = 2.0, .original_positions = 8};
  // 2 * 16 / 8 - (2 - 1) = 3; theta * 3^(4 / 2) = 90000; 90000^(-1/2) = 1 / 300.
  expect_frequencies(rope_frequencies(p, 4, 16), {1.0, 1.0 / 300.0});
  expect_frequencies(rope_frequencies(p, 4, 8), {1.0, 0.01});
  expect_frequencies(rope_frequencies(p, 4, 3), {1.0, 0.01});
}

TEST(RopeFrequencies, Llama3KeepsBlendsAndDivides) {
  const RopeParameters p{.scaling = RopeScaling::llama3,
                         .factor = 8.0,
                         .original_positions = 1024,
                         .low_freq_factor = 1.0,
                         .high_freq_factor = 4.0};
  // Wavelengths 6.3 and 63 lie below 1024 / 4, 6283 above 1024 / 1. For 628.3 the blend is
  // (1024 / 628.3185 - 1) / 3 = 0.2099155: 0.7900845 * 0.01 / 8 + 0.2099155 * 0.01.
  expect_frequencies(rope_frequencies(p, 8, 4096), {1.0, 0.1, 0.00308676096, 0.000125});
}

TEST(RopeFrequencies, YarnRampsBetweenTheCorrectionDimensions) {
  RopeParameters p{.scaling = RopeScaling::yarn, .factor = 4.0, .original_positions = 1024};
  // 8 ln(1024 / (32 2 pi)) / (2 ln 10000) = 0.7070, 8 ln(1024 / (2 pi)) / (2 ln 10000) = 2.2121:
  // rounded outward the ramp is 0, 1/3, 2/3, 1, and a frequency is divided by 4 at its end.
  const RopeFrequencies rounded = rope_frequencies(p, 8, 4096);
  expect_frequencies(rounded, {1.0, 0.075, 0.005, 0.00025});
  EXPECT_NEAR(rounded.amplitude, 0.1 * std::log(4.0) + 1.0, 1e-12);
  p.truncate = false;
  const double low = 8.0 * std::log(1024.0 / (64.0 * M_PI)) / (2.0 * std::log(10000.0));
  const double high = 8.0 * std::log(1024.0 / (2.0 * M_PI)) / (2.0 * std::log(10000.0));
  const double first = (1.0 - low) / (high - low);
  const double second = (2.0 - low) / (high - low);
  EXPECT_NEAR(first, 0.1947, 1e-3);
  EXPECT_NEAR(second, 0.8591, 1e-3);
  expect_frequencies(rope_frequencies(p, 8, 4096),
                     {1.0, 0.1 * (1.0 - 0.75 * first), 0.01 * (1.0 - 0.75 * second), 0.00025});
}

TEST(RopeFrequencies, YarnAmplitude) {
  RopeParameters p{.scaling = RopeScaling::yarn, .factor = 4.0, .original_positions = 1024};
  p.mscale = 1.0;
  p.mscale_all_dim = 0.5;
  EXPECT_NEAR(rope_frequencies(p, 8, 16).amplitude, 1.1386294361 / 1.0693147181, 1e-9);
  p.attention_factor = 1.25;
  EXPECT_EQ(rope_frequencies(p, 8, 16).amplitude, 1.25);
  p = {.scaling = RopeScaling::yarn, .factor = 1.0, .original_positions = 1024};
  EXPECT_EQ(rope_frequencies(p, 8, 16).amplitude, 1.0);
}

TEST(RopeFrequencies, RefusesWhatCannotBe) {
  const auto kind_of = [](const RopeParameters& p, int64_t dim) {
    try {
      rope_frequencies(p, dim, 16);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::stopped;
  };
  EXPECT_EQ(kind_of({}, 7), ErrorKind::config);
  EXPECT_EQ(kind_of({.theta = 0.0}, 8), ErrorKind::config);
  EXPECT_EQ(kind_of({.scaling = RopeScaling::linear, .factor = 0.0}, 8), ErrorKind::config);
  EXPECT_EQ(kind_of({.scaling = RopeScaling::yarn, .factor = 2.0}, 8), ErrorKind::config);
  EXPECT_EQ(kind_of({.scaling = RopeScaling::llama3,
                     .factor = 2.0,
                     .original_positions = 64,
                     .low_freq_factor = 4.0,
                     .high_freq_factor = 4.0},
                    8),
            ErrorKind::config);
}

TEST(RopeTable, CosinesAndSinesInDouble) {
  const RopeTable table({.theta = 500000.0}, 20, 5000);
  ASSERT_EQ(table.positions(), 5000);
  ASSERT_EQ(table.head_dim(), 20);
  const double angle = 4999.0 * std::pow(500000.0, -6.0 / 20.0);
  EXPECT_NEAR(table.cos().data<float>()[4999 * 10 + 3], std::cos(angle), 6e-8);
  EXPECT_NEAR(table.sin().data<float>()[4999 * 10 + 3], std::sin(angle), 6e-8);
}

TEST(Rope, RotatesHalfSplitPairs) {
  Context context;
  const RopeTable table({}, 4, 3);  // frequencies 1 and 0.01
  const Tensor x({1, 1, 4}, DType::f32);
  for (int i = 0; i < 4; ++i) x.data<float>()[i] = static_cast<float>(i + 1);
  const Tensor out({1, 1, 4}, DType::f32);
  rope(context, x, table, 2, out);  // angles 2 and 0.02
  const float* y = out.data<float>();
  EXPECT_NEAR(y[0], std::cos(2.0) - 3.0 * std::sin(2.0), 1e-6);
  EXPECT_NEAR(y[1], 2.0 * std::cos(0.02) - 4.0 * std::sin(0.02), 1e-6);
  EXPECT_NEAR(y[2], 3.0 * std::cos(2.0) + std::sin(2.0), 1e-6);
  EXPECT_NEAR(y[3], 4.0 * std::cos(0.02) + 2.0 * std::sin(0.02), 1e-6);
}

TEST(Rope, InPlaceStridedAndInPieces) {
  Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const RopeTable table({}, 20, 64);
    const Tensor wide = random_tensor({30, 3 * 60}, dtype, 1);
    const TensorView q = wide.view().slice(1, 60, 120).split_last(20);
    const Tensor whole({3, 30, 20}, dtype);
    rope(context, q, table, 7, whole.view().permute({1, 0, 2}));
    rope(context, q.slice(0, 0, 11), table, 7, q.slice(0, 0, 11));
    rope(context, q.slice(0, 11, 30), table, 18, q.slice(0, 11, 30));
    EXPECT_EQ(values(whole.view().permute({1, 0, 2})), values(q));
  }
}

TEST(Rope, ScoresDependOnTheDistanceOnly) {
  Context context;
  const RopeTable table({}, 64, 200);
  const Tensor q = random_tensor({1, 1, 64}, DType::f32, 1);
  const Tensor k = random_tensor({1, 1, 64}, DType::f32, 2);
  const auto score = [&](int64_t at_q, int64_t at_k) {
    const Tensor a({1, 1, 64}, DType::f32);
    const Tensor b({1, 1, 64}, DType::f32);
    rope(context, q, table, at_q, a);
    rope(context, k, table, at_k, b);
    double sum = 0.0;
    for (int i = 0; i < 64; ++i) sum += double{a.data<float>()[i]} * b.data<float>()[i];
    return sum;
  };
  EXPECT_NEAR(score(30, 10), score(190, 170), 1e-4);
  EXPECT_GT(std::abs(score(30, 10) - score(30, 11)), 1e-3);
}

TEST(Rope, RefusesPositionsOutsideTheTable) {
  Context context;
  const RopeTable table({}, 4, 8);
  const Tensor x = random_tensor({3, 1, 4}, DType::f32, 1);
  EXPECT_NO_THROW(rope(context, x, table, 5, x));
  EXPECT_THROW(rope(context, x, table, 6, x), Error);
  EXPECT_THROW(rope(context, x, table, -1, x), Error);
}

std::vector<double> turned(const std::vector<double>& x, const RopeTable& table, int64_t start,
                           int64_t heads) {
  const int64_t half = table.head_dim() / 2;
  std::vector<double> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t d = at % (2 * half);
    const int64_t cell = (start + at / (2 * half * heads)) * half + d % half;
    const double cos = table.cos().data<float>()[cell];
    const double sin = table.sin().data<float>()[cell];
    out[i] = d < half ? x[i] * cos - x[i + static_cast<size_t>(half)] * sin
                      : x[i] * cos + x[i - static_cast<size_t>(half)] * sin;
  }
  return out;
}

TEST(RopeBackward, MatchesDifferences) {
  Context context;
  const RopeParameters yarn{.scaling = RopeScaling::yarn, .factor = 4.0, .original_positions = 32};
  for (const RopeParameters& parameters : {RopeParameters{}, yarn}) {  // yarn: an amplitude
    const RopeTable table(parameters, 20, 64);
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Tensor dout = random_tensor({3, 2, 20}, dtype, 1);
      const std::vector<double> expected =
          slopes(std::vector<double>(120, 0.5), values(dout),
                 [&](const auto& moved) { return turned(moved, table, 40, 2); });
      const Tensor dx({3, 2, 20}, dtype);
      rope_backward(context, dout, table, 40, dx);
      EXPECT_LT(relative_error(values(dx), expected), dtype == DType::f32 ? 1e-5 : 1e-2);
    }
  }
}

TEST(RopeBackward, UndoesRopeInPlaceAndStrided) {
  Context context({.threads = 2});
  const RopeTable table({}, 32, 500);
  const Tensor wide = random_tensor({400, 3 * 128}, DType::f32, 2);
  const std::vector<double> before = values(wide);
  const TensorView q = wide.view().slice(1, 128, 256).split_last(32);
  rope(context, q, table, 100, q);
  EXPECT_GT(relative_error(values(wide), before), 0.1);
  rope_backward(context, q, table, 100, q);
  EXPECT_LT(relative_error(values(wide), before), 1e-6);
}

TEST(Rope, ManyWindowsAtOnceAsEachAlone) {
  Context context({.threads = 2});
  const RopeTable table({}, 16, 64);
  const Tensor x = random_tensor({40, 3, 16}, DType::f32, 3);
  const std::vector<RopeRows> windows = {{0, 7, 20}, {7, 7, 3}, {7, 8, 0}, {8, 40, 32}};
  const Tensor out({40, 3, 16}, DType::f32);
  const Tensor alone({40, 3, 16}, DType::f32);
  rope(context, x, table, windows, out);
  for (const RopeRows& rows : windows) {
    rope(context, x.view().slice(0, rows.begin, rows.end), table, rows.start,
         alone.view().slice(0, rows.begin, rows.end));
  }
  EXPECT_EQ(values(out), values(alone));
  rope_backward(context, out, table, windows, out);
  EXPECT_LT(relative_error(values(out), values(x)), 1e-6);
  const auto refused = [&](const std::vector<RopeRows>& rows) {
    EXPECT_THROW(rope(context, x, table, rows, out), Error);
  };
  refused({{0, 39, 0}});
  refused({{0, 7, 0}, {8, 40, 0}});
  refused({{0, 7, 58}, {7, 40, 0}});
}

TEST(RopeBackward, NoRowsAndPositionsOutsideTheTable) {
  Context context;
  const RopeTable table({}, 4, 8);
  const Tensor none({0, 1, 4}, DType::f32);
  EXPECT_NO_THROW(rope_backward(context, none, table, 8, none));
  const Tensor x = random_tensor({3, 1, 4}, DType::f32, 1);
  EXPECT_THROW(rope_backward(context, x, table, 6, x), Error);
}

}  // namespace
}  // namespace memlong::ops
