#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "common/error.h"
#include "model/safetensors.h"
#include "retriever/embedder.h"
#include "retriever/random_vectors.h"
#include "support/paths.h"

namespace memlong::retriever {
namespace {

TensorView view_of(std::vector<float>& values, int64_t rows) {
  return {values.data(), DType::f32, {rows, static_cast<int64_t>(values.size()) / rows}};
}

std::vector<float> embed(const Embedder& embedder, const std::vector<int32_t>& ids) {
  std::vector<float> out(static_cast<size_t>(embedder.dim()), 9.0F);
  embedder.embed(ids, {}, out);
  return out;
}

float cosine(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0F);
}

TEST(SifEmbedder, ValuesByHand) {
  Context context;
  // Directions (1,0), (0,1), (0.6,0.8), and a row of zeros; weights 1/2, 1/4, 1, 1.
  std::vector<float> table{2, 0, 0, 5, 3, 4, 0, 0};
  const SifParameters parameters{0.1F, {0.1F, 0.3F, 0.0F, 0.0F}, {0, 0}};
  const auto embedder = make_sif_embedder(context, view_of(table, 4), parameters);
  EXPECT_EQ(embedder->name(), "sif");
  EXPECT_EQ(embedder->dim(), 2);
  EXPECT_FALSE(embedder->needs_hidden());
  const std::vector<float> one = embed(*embedder, {0, 1});  // (0.5, 0.25), of length 1
  EXPECT_NEAR(one[0], 2.0 / std::sqrt(5.0), 1e-6);
  EXPECT_NEAR(one[1], 1.0 / std::sqrt(5.0), 1e-6);
  const std::vector<float> two = embed(*embedder, {0, 2, 2, 3});  // (1.7, 1.6)
  EXPECT_NEAR(two[0], 1.7 / std::hypot(1.7, 1.6), 1e-6);
  EXPECT_NEAR(two[1], 1.6 / std::hypot(1.7, 1.6), 1e-6);
  EXPECT_EQ(embed(*embedder, {}), (std::vector<float>{0, 0}));
  EXPECT_EQ(embed(*embedder, {3, 3}), (std::vector<float>{0, 0}));
  EXPECT_THROW(embed(*embedder, {4}), Error);
  EXPECT_THROW(embed(*embedder, {-1}), Error);
}

TEST(SifEmbedder, ComponentIsTakenAway) {
  Context context;
  std::vector<float> table{1, 0, 0, 1, 1, 1};
  const SifParameters parameters{1.0F, {0, 0, 0}, {0.6F, 0.8F}};
  const auto embedder = make_sif_embedder(context, view_of(table, 3), parameters);
  const std::vector<float> first = embed(*embedder, {0});  // (1,0) - 0.6 (0.6,0.8) = (0.64,-0.48)
  EXPECT_NEAR(first[0], 0.8, 1e-6);
  EXPECT_NEAR(first[1], -0.6, 1e-6);
  std::vector<float> along{3, 4};
  const auto nothing = make_sif_embedder(context, view_of(along, 1), {1.0F, {0}, {0.6F, 0.8F}});
  EXPECT_EQ(embed(*nothing, {0}), (std::vector<float>{0, 0}));
}

TEST(SifEmbedder, VectorsStandInForTheWeightedTable) {
  Context context;
  std::vector<float> table{1, 0, 0, 1, 1, 1};
  const SifParameters parameters{1.0F, {0, 0, 0}, {0, 0}, {3, 0, 0, 0.5F, -4, 2}};
  const auto embedder = make_sif_embedder(context, view_of(table, 3), parameters);
  const std::vector<float> got = embed(*embedder, {0, 1, 1, 1, 1});  // (3, 2)
  EXPECT_NEAR(got[0], 3.0 / std::sqrt(13.0), 1e-6);
  EXPECT_NEAR(got[1], 2.0 / std::sqrt(13.0), 1e-6);
  EXPECT_NEAR(embed(*embedder, {2})[0], -4.0 / std::sqrt(20.0), 1e-6);
  SifParameters fewer = parameters;
  fewer.vectors.resize(4);
  EXPECT_THROW(make_sif_embedder(context, view_of(table, 3), fewer), Error);
}

/// The formula once more, in double precision and in another order of operations.
std::vector<double> reference(const std::vector<float>& table, size_t width,
                              const SifParameters& parameters, const std::vector<int32_t>& ids) {
  std::vector<double> sum(width, 0.0);
  for (size_t i = 0; i < width; ++i) {
    for (const int32_t id : ids) {
      const float* row = table.data() + static_cast<size_t>(id) * width;
      const double norm = std::sqrt(std::inner_product(row, row + width, row, 0.0));
      const double a = parameters.a;
      sum[i] += a / (a + parameters.token_probability[static_cast<size_t>(id)]) * row[i] / norm;
    }
  }
  const double along =
      std::inner_product(sum.begin(), sum.end(), parameters.component.begin(), 0.0);
  for (size_t i = 0; i < width; ++i) sum[i] -= along * parameters.component[i];
  const double norm = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
  for (double& value : sum) value /= norm;
  return sum;
}

TEST(SifEmbedder, EqualsTheFormulaInDoublePrecision) {
  Context context;
  constexpr size_t kWidth = 70;
  std::vector<float> table = random_directions(300, kWidth, 1);
  for (size_t i = 0; i < table.size(); ++i) table[i] *= 0.1F + static_cast<float>(i % 7);
  SifParameters parameters;
  parameters.component = random_directions(1, kWidth, 2);
  for (int i = 0; i < 300; ++i) parameters.token_probability.push_back(1.0F / (10.0F + 90.0F * i));
  const auto embedder = make_sif_embedder(context, view_of(table, 300), parameters);
  std::mt19937 bits(3);
  for (size_t count : {1, 2, 9, 64, 200}) {
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = static_cast<int32_t>(bits() % 300);
    const std::vector<double> wanted = reference(table, kWidth, parameters, ids);
    const std::vector<float> got = embed(*embedder, ids);
    for (size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(got[i], wanted[i], 2e-7) << count;
  }
}

/// As it was when the weighted table was held in f32.
std::vector<double> mean_of_a_weighted_table(const std::vector<float>& table, size_t width,
                                             const SifParameters& parameters,
                                             const std::vector<int32_t>& ids) {
  std::vector<float> weighted = table;
  for (size_t token = 0; token < parameters.token_probability.size(); ++token) {
    const std::span<float> row(weighted.data() + token * width, width);
    const double norm = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    const double weight = static_cast<double>(parameters.a) /
                          (static_cast<double>(parameters.a) + parameters.token_probability[token]);
    const double factor = norm > 0.0 ? weight / norm : 0.0;
    for (float& value : row) value = static_cast<float>(value * factor);
  }
  std::vector<double> mean(width, 0.0);
  for (const int32_t id : ids) {
    for (size_t i = 0; i < width; ++i) {
      mean[i] += static_cast<double>(weighted[static_cast<size_t>(id) * width + i]);
    }
  }
  for (double& value : mean) value /= static_cast<double>(ids.size());
  return mean;
}

TEST(SifEmbedder, GivesTheBitsOfAWeightedTable) {
  Context context;
  constexpr size_t kWidth = 48;
  std::vector<float> table = random_directions(200, kWidth, 4);
  std::vector<bf16> narrow;
  for (size_t i = 0; i < table.size(); ++i) {
    narrow.emplace_back(table[i] * (0.2F + static_cast<float>(i % 5)));
    table[i] = static_cast<float>(narrow.back());
  }
  std::vector<std::byte> unaligned(1 + narrow.size() * sizeof(bf16));
  std::memcpy(unaligned.data() + 1, narrow.data(), narrow.size() * sizeof(bf16));
  SifParameters parameters;
  parameters.component.assign(kWidth, 0.0F);
  for (int i = 0; i < 200; ++i) parameters.token_probability.push_back(1.0F / (9.0F + 80.0F * i));
  const auto wide = make_sif_embedder(view_of(table, 200), parameters);
  const auto mapped =
      make_sif_embedder({unaligned.data() + 1, DType::bf16, {200, kWidth}}, parameters);
  const std::vector<int32_t> ids{3, 199, 3, 57, 0, 120, 64};
  const std::vector<double> mean = mean_of_a_weighted_table(table, kWidth, parameters, ids);
  double squares = 0.0;
  for (const double value : mean) squares += value * value;
  std::vector<float> wanted(kWidth);
  for (size_t i = 0; i < kWidth; ++i) wanted[i] = static_cast<float>(mean[i] / std::sqrt(squares));
  EXPECT_EQ(embed(*wide, ids), wanted);
  EXPECT_EQ(embed(*mapped, ids), wanted);
}

TEST(SifEmbedder, KeepsTheOwnerOfItsTable) {
  auto table = std::make_shared<std::vector<float>>(std::vector<float>{1, 0, 0, 1});
  const std::weak_ptr<std::vector<float>> watched = table;
  auto embedder = make_sif_embedder(view_of(*table, 2), {1.0F, {0, 0}, {0, 0}}, table);
  table.reset();
  EXPECT_EQ(embed(*embedder, {1}), (std::vector<float>{0, 1}));
  embedder.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(SifEmbedder, ReadsEveryDtypeOfTable) {
  Context context;
  std::vector<float> table{0.5F, -2, 1.5F, 0.25F, 3, -1};  // exact in all three
  std::vector<bf16> short_table(table.begin(), table.end());
  std::vector<f16> half_table(table.begin(), table.end());
  const SifParameters parameters{1e-4F, {0.5F, 0.2F, 0.3F}, {0, 1}};
  const auto a = make_sif_embedder(context, view_of(table, 3), parameters);
  const auto b = make_sif_embedder(context, {short_table.data(), DType::bf16, {3, 2}}, parameters);
  const auto c = make_sif_embedder(context, {half_table.data(), DType::f16, {3, 2}}, parameters);
  EXPECT_EQ(embed(*a, {0, 1, 2}), embed(*b, {0, 1, 2}));
  EXPECT_EQ(embed(*a, {0, 1, 2}), embed(*c, {0, 1, 2}));
}

TEST(SifEmbedder, ParametersMustFitTheTable) {
  Context context;
  std::vector<float> table{1, 2, 3, 4};
  EXPECT_THROW(make_sif_embedder(context, view_of(table, 2), {1.0F, {0}, {0, 0}}), Error);
  EXPECT_THROW(make_sif_embedder(context, view_of(table, 2), {1.0F, {0, 0}, {0}}), Error);
}

/// A question and chunks of a dialog, with scores computed in float64 by numpy.
TEST(SifEmbedder, GivesTheReferenceModelsScores) {
  const std::filesystem::path folder =
      std::filesystem::path(test::source_dir()) / "models/reference";
  const std::vector<int32_t> question{4, 3901, 336, 349, 4018, 580, 411, 4041, 6};
  const std::vector<int32_t> best{
      4,    4045, 4018, 580,  2437, 300,  4012, 97,   479,  4029, 338,  4033, 6,    5,   2796, 349,
      4018, 580,  336,  411,  4012, 97,   479,  4029, 338,  4033, 6,    4,    2553, 456, 821,  785,
      4041, 6,    5,    4047, 361,  308,  445,  283,  2381, 345,  3564, 1804, 4041, 369, 974,  446,
      826,  668,  350,  4012, 4061, 4071, 4069, 4077, 4078, 359,  4043, 1354, 346,  571, 4033, 369};
  const std::vector<int32_t> other{
      4021, 867, 318,  4042, 4020, 265, 1736, 2919, 4041, 6,    5,    4047, 361,  308,  445,  283,
      1253, 370, 580,  474,  4031, 331, 592,  362,  3608, 2177, 288,  4012, 4082, 4033, 4074, 4041,
      6,    4,   3569, 4042, 4020, 300, 438,  1433, 4041, 6,    5,    4076, 4016, 1785, 384,  907,
      336,  300, 268,  1433, 4033, 6,   4,    1552, 336,  1325, 4033, 6,    5,    2066, 308,  551};
  const std::vector<int32_t> another{
      365,  2765, 375,  4018, 4066, 4018, 4033, 6,   4,    4039, 428,  4036, 308,  558,  646,  4033,
      838,  308,  1411, 367,  550,  3331, 318,  455, 966,  4038, 4028, 379,  601,  327,  300,  1532,
      4041, 6,    5,    1886, 308,  455,  2246, 300, 265,  414,  2591, 288,  375,  1030, 1575, 4031,
      308,  609,  972,  486,  268,  2111, 3981, 300, 1532, 4033, 6,    4,    4039, 428,  4036, 308};
  const std::optional<SifParameters> parameters = load_sif(folder, 4096, 256);
  ASSERT_TRUE(parameters.has_value());
  Context context;
  const model::SafetensorsFile weights(folder / "model.safetensors");
  const auto embedder =
      make_sif_embedder(context, weights.get("model.embed_tokens.weight"), *parameters);
  const std::vector<float> query = embed(*embedder, question);
  EXPECT_NEAR(cosine(query, embed(*embedder, best)), 0.49340, 1e-5);
  EXPECT_NEAR(cosine(query, embed(*embedder, other)), 0.05608, 1e-5);
  EXPECT_NEAR(cosine(query, embed(*embedder, another)), 0.16258, 1e-5);
}

TEST(PooledEmbedder, IsTheDirectionOfTheMean) {
  const auto embedder = make_pooled_embedder(3);
  EXPECT_EQ(embedder->name(), "pooled");
  EXPECT_TRUE(embedder->needs_hidden());
  std::vector<float> hidden{1, 2, 0, 9, 5, 2, 0, 9};  // rows of 4, of which 3 count
  const TensorView view = view_of(hidden, 2).slice(1, 0, 3);
  std::vector<float> out(3);
  embedder->embed(std::vector<int32_t>{7, 7}, view, out);  // (6, 4, 0) / 2
  EXPECT_NEAR(out[0], 6.0 / std::sqrt(52.0), 1e-6);
  EXPECT_NEAR(out[1], 4.0 / std::sqrt(52.0), 1e-6);
  EXPECT_EQ(out[2], 0.0F);
  EXPECT_THROW(embedder->embed(std::vector<int32_t>{7}, view, out), Error);
  EXPECT_THROW(embedder->embed(std::vector<int32_t>{7, 7}, {}, out), Error);
  embedder->embed({}, {}, out);
  EXPECT_EQ(out, (std::vector<float>{0, 0, 0}));
}

}  // namespace
}  // namespace memlong::retriever
