#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/file.h"
#include "model/safetensors.h"
#include "retriever/embedder.h"
#include "retriever/random_vectors.h"
#include "support/temp_folder.h"

namespace memlong::retriever {
namespace {

ErrorKind kind_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(SifParameters, GoThroughABlobUnchanged) {
  const SifParameters parameters{2e-3F, {0.25F, 0.75F, 1e-7F}, {0.6F, -0.8F}};
  const SifParameters back = SifParameters::deserialize(parameters.serialize());
  EXPECT_EQ(back.a, parameters.a);
  EXPECT_EQ(back.token_probability, parameters.token_probability);
  EXPECT_EQ(back.component, parameters.component);
  EXPECT_TRUE(SifParameters::deserialize(SifParameters{}.serialize()).component.empty());
}

TEST(SifParameters, GoThroughAModelFolderUnchanged) {
  const test::TempFolder folder;
  EXPECT_FALSE(load_sif(folder.path(), 3, 2).has_value());
  const SifParameters parameters{1e-4F, {0.25F, 0.75F, 1e-7F}, {0.6F, -0.8F}};
  save_sif(folder.path() / "sif.safetensors", parameters);
  const auto back = load_sif(folder.path(), 3, 2);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->token_probability, parameters.token_probability);
  EXPECT_EQ(back->component, parameters.component);
}

TEST(SifParameters, VectorsGoThroughBothAsHalves) {
  const std::vector<float> vectors{0.5F, -0.25F, 1.0F, 0.0F, 1.0F / 3.0F, 6.0e-5F};
  const SifParameters parameters{1e-4F, {0.25F, 0.75F, 1e-7F}, {0.6F, -0.8F}, vectors};
  const test::TempFolder folder;
  save_sif(folder.path() / "sif.safetensors", parameters);
  const SifParameters from_file = load_sif(folder.path(), 3, 2).value();
  const SifParameters from_blob = SifParameters::deserialize(parameters.serialize());
  ASSERT_EQ(from_file.vectors.size(), 6U);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(from_file.vectors[i], vectors[i], 1e-3 * std::abs(vectors[i])) << i;
  }
  EXPECT_EQ(from_file.vectors[1], -0.25F);
  EXPECT_EQ(from_blob.vectors, from_file.vectors);
  EXPECT_EQ(from_blob.token_probability, parameters.token_probability);
  EXPECT_EQ(from_blob.component, parameters.component);
  EXPECT_EQ(from_file.serialize(), from_blob.serialize());
}

TEST(SifParameters, DamagedBlobIsCorrupt) {
  for (const std::string& good :
       {SifParameters{1e-4F, {0.5F, 0.5F}, {1.0F}}.serialize(),
        SifParameters{1e-4F, {0.5F, 0.5F}, {1.0F}, {0.25F, 2.0F}}.serialize()}) {
    for (size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 1);
      EXPECT_EQ(kind_of([&] { SifParameters::deserialize(bad); }), ErrorKind::corrupt) << i;
      EXPECT_EQ(kind_of([&] { SifParameters::deserialize(good.substr(0, i)); }), ErrorKind::corrupt)
          << i;
    }
  }
}

/// Writes sif.safetensors with these shapes into a folder and loads it for a model of [4, 2].
struct SifFile {
  std::vector<float> probability{0.1F, 0.2F, 0.3F, 0.4F};
  std::vector<float> component{0.6F, 0.8F};
  const test::TempFolder folder;
  std::optional<SifParameters> load() {
    const Shape v{static_cast<int64_t>(probability.size())};
    const Shape c{static_cast<int64_t>(component.size())};
    model::write_safetensors(folder / "sif.safetensors",
                             {{"token_probability", TensorView(probability.data(), DType::f32, v)},
                              {"component", TensorView(component.data(), DType::f32, c)}});
    return load_sif(folder / "", 4, 2);
  }
};

TEST(LoadSif, ReadsTheModelsFile) {
  SifFile file;
  const std::optional<SifParameters> loaded = file.load();
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->a, 1e-4F);
  EXPECT_EQ(loaded->token_probability, file.probability);
  EXPECT_EQ(loaded->component, file.component);
}

TEST(LoadSif, MissingFileIsNothing) {
  const test::TempFolder folder;
  EXPECT_FALSE(load_sif(folder / "", 4, 2).has_value());
}

TEST(LoadSif, WhatDoesNotFitIsAFormatError) {
  SifFile longer;
  longer.probability.push_back(0.0F);
  EXPECT_EQ(kind_of([&] { longer.load(); }), ErrorKind::format);
  SifFile wider;
  wider.component = {0.6F, 0.0F, 0.8F};
  EXPECT_EQ(kind_of([&] { wider.load(); }), ErrorKind::format);
  SifFile not_unit;
  not_unit.component = {3.0F, 4.0F};
  EXPECT_EQ(kind_of([&] { not_unit.load(); }), ErrorKind::format);
  SifFile negative;
  negative.probability[1] = -0.5F;
  EXPECT_EQ(kind_of([&] { negative.load(); }), ErrorKind::format);
  SifFile not_finite;
  not_finite.component[0] = std::nanf("");
  EXPECT_EQ(kind_of([&] { not_finite.load(); }), ErrorKind::format);
  SifFile zero;
  zero.component = {0.0F, 0.0F};
  EXPECT_TRUE(zero.load().has_value());
}

TEST(LoadSif, VectorsOfAnotherShapeOrDtypeAreAFormatError) {
  const test::TempFolder folder;
  const std::vector<float> rows(4 * 2, 0.5F);
  save_sif(folder.path() / "sif.safetensors",
           {1e-4F, std::vector<float>(4, 0.25F), {0.6F, 0.8F}, rows});
  EXPECT_EQ(load_sif(folder.path(), 4, 2)->vectors, rows);
  std::vector<float> probability(4, 0.25F);
  std::vector<float> component{0.6F, 0.8F};
  std::vector<float> wide(4 * 3, 0.5F);
  const auto refused = [&](const TensorView& vectors) {
    model::write_safetensors(
        folder / "sif.safetensors",
        {{"token_probability", TensorView(probability.data(), DType::f32, {4})},
         {"component", TensorView(component.data(), DType::f32, {2})},
         {"token_vectors", vectors}});
    return kind_of([&] { load_sif(folder.path(), 4, 2); });
  };
  EXPECT_EQ(refused({wide.data(), DType::f32, {4, 2}}), ErrorKind::format);
  EXPECT_EQ(refused({wide.data(), DType::f16, {4, 3}}), ErrorKind::format);
  EXPECT_EQ(refused({wide.data(), DType::f16, {8}}), ErrorKind::format);
}

TEST(EstimateSif, ProbabilitiesAreSmoothedCounts) {
  Context context;
  std::vector<float> table{1, 0, 0, 1, 1, 1, -1, 1};
  const SifParameters estimated = estimate_sif(context, {table.data(), DType::f32, {4, 2}},
                                               std::vector<int32_t>{0, 0, 0, 2, 0, 2}, 2);
  EXPECT_EQ(estimated.token_probability, (std::vector<float>{0.5F, 0.1F, 0.3F, 0.1F}));
}

TEST(EstimateSif, ComponentIsTheDirectionWithTheLargestSumOfSquares) {
  Context context;
  constexpr size_t kWidth = 8;
  std::vector<float> table = random_directions(50, kWidth, 31);
  for (size_t token = 0; token < 50; ++token) table[token * kWidth + 3] += 0.7F;
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 1000; ++i) ids.push_back(i * i % 50);
  const TensorView view(table.data(), DType::f32, {50, kWidth});
  const SifParameters estimated = estimate_sif(context, view, ids, 16);
  // The means, from an embedder that takes nothing away, in the weights that were estimated.
  std::vector<std::vector<double>> means;
  for (size_t begin = 0; begin < ids.size(); begin += 16) {
    const size_t count = std::min<size_t>(16, ids.size() - begin);
    std::vector<double> mean(kWidth, 0.0);
    for (size_t i = begin; i < begin + count; ++i) {
      const auto token = static_cast<size_t>(ids[i]);
      const float* row = table.data() + token * kWidth;
      const double norm = std::sqrt(std::inner_product(row, row + kWidth, row, 0.0));
      const double weight = 1e-4 / (1e-4 + estimated.token_probability[token]);
      for (size_t j = 0; j < kWidth; ++j) {
        mean[j] += weight * row[j] / norm / static_cast<double>(count);
      }
    }
    means.push_back(mean);
  }
  const auto energy = [&](const std::vector<float>& direction) {
    double sum = 0.0;
    for (const std::vector<double>& mean : means) {
      const double along = std::inner_product(mean.begin(), mean.end(), direction.begin(), 0.0);
      sum += along * along;
    }
    return sum;
  };
  const double best = energy(estimated.component);
  const auto length = std::inner_product(estimated.component.begin(), estimated.component.end(),
                                         estimated.component.begin(), 0.0);
  EXPECT_NEAR(length, 1.0, 1e-6);
  EXPECT_GT(estimated.component[3], 0.5F);
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::vector<float> other = random_directions(1, kWidth, seed);
    EXPECT_LT(energy(other), best);
    for (size_t j = 0; j < kWidth; ++j) other[j] = estimated.component[j] + 0.05F * other[j];
    const double norm =
        std::sqrt(std::inner_product(other.begin(), other.end(), other.begin(), 0.0));
    for (float& value : other) value = static_cast<float>(value / norm);
    EXPECT_LT(energy(other), best * (1.0 + 1e-9));
  }
}

TEST(EstimateSif, NoTextGivesEvenProbabilitiesAndNoComponent) {
  Context context;
  std::vector<float> table{1, 0, 0, 1};
  const SifParameters estimated = estimate_sif(context, {table.data(), DType::f32, {2, 2}}, {}, 16);
  EXPECT_EQ(estimated.token_probability, (std::vector<float>{0.5F, 0.5F}));
  EXPECT_EQ(estimated.component, (std::vector<float>{0.0F, 0.0F}));
}

}  // namespace
}  // namespace memlong::retriever
