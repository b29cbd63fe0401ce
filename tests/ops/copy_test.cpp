#include "ops/copy.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::values;

TEST(Copy, EveryPairOfTypesRoundsLikeTheScalarConversion) {
  Context context;
  const Tensor source = random_tensor({7, 333}, DType::f32, 1, 100.0F);
  for (const DType from : {DType::f32, DType::bf16, DType::f16}) {
    const Tensor x = convert(context, source, from);
    const std::vector<double> in = values(x);
    for (const DType to : {DType::f32, DType::bf16, DType::f16}) {
      const std::vector<double> out = values(convert(context, x, to));
      for (size_t i = 0; i < in.size(); ++i) {
        const auto value = static_cast<float>(in[i]);
        const float expected = to == DType::f32    ? value
                               : to == DType::bf16 ? static_cast<float>(bf16(value))
                                                   : static_cast<float>(f16(value));
        ASSERT_EQ(static_cast<float>(out[i]), expected);
      }
    }
  }
}

TEST(Copy, SpecialValuesSurvive) {
  Context context;
  const Tensor x({4}, DType::f32);
  x.data<float>()[0] = INFINITY;
  x.data<float>()[1] = -INFINITY;
  x.data<float>()[2] = NAN;
  x.data<float>()[3] = -0.0F;
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const std::vector<double> out = values(convert(context, x, dtype));
    EXPECT_EQ(out[0], INFINITY);
    EXPECT_EQ(out[1], -INFINITY);
    EXPECT_TRUE(std::isnan(out[2]));
    EXPECT_TRUE(out[3] == 0.0 && std::signbit(out[3]));
  }
}

TEST(Copy, StridedViewsOfFourDimensions) {
  Context context;
  const Tensor x = random_tensor({3, 4, 5, 6}, DType::f32, 2);
  const Tensor out = Tensor::zeros({4, 3, 5, 8}, DType::f32);
  const TensorView target = out.view().slice(3, 1, 7);
  copy(context, x.view().permute({1, 0, 2, 3}), target);
  for (int64_t a = 0; a < 3; ++a) {
    for (int64_t b = 0; b < 4; ++b) {
      for (int64_t c = 0; c < 5; ++c) {
        const float* row = out.data<float>() + ((b * 3 + a) * 5 + c) * 8;
        EXPECT_EQ(row[0], 0.0F);
        EXPECT_EQ(row[7], 0.0F);
        for (int64_t d = 0; d < 6; ++d) {
          ASSERT_EQ(row[d + 1], x.data<float>()[((a * 4 + b) * 5 + c) * 6 + d]);
        }
      }
    }
  }
}

TEST(Copy, ReadsUnalignedSources) {
  Context context;
  const Tensor x = random_tensor({50}, DType::bf16, 3);
  std::vector<std::byte> bytes(x.bytes() + 1);
  std::memcpy(bytes.data() + 1, x.view().raw(), x.bytes());
  const TensorView odd(bytes.data() + 1, DType::bf16, {50});
  EXPECT_EQ(values(convert(context, odd, DType::f32)), values(x));
}

TEST(Copy, PairsAsOneAfterTheOther) {
  Context context;
  const Tensor x = random_tensor({3, 8, 6}, DType::f32, 4);
  const Tensor out = Tensor::zeros({3, 9, 6}, DType::bf16);
  const Tensor alone = Tensor::zeros({3, 9, 6}, DType::bf16);
  const auto from = [&](int64_t begin, int64_t end) { return x.view().slice(1, begin, end); };
  const auto pairs = [&](const Tensor& to) {
    const TensorView all = to;
    return std::vector<CopyPair>{{from(0, 5), all.slice(1, 4, 9)},
                                 {from(2, 2), all.slice(1, 0, 0)},
                                 {from(5, 8), all.slice(1, 0, 3)}};
  };
  copy(context, pairs(out));
  for (const CopyPair& pair : pairs(alone)) copy(context, pair.x, pair.out);
  EXPECT_EQ(values(out), values(alone));
  EXPECT_NE(values(out), std::vector<double>(162, 0.0));
  const std::vector<CopyPair> wrong = {{from(0, 2), out.view().slice(1, 0, 3)}};
  EXPECT_THROW(copy(context, wrong), Error);
}

TEST(Copy, NothingIsFineAndAnotherShapeIsNot) {
  Context context;
  const Tensor empty({0, 4}, DType::f32);
  EXPECT_NO_THROW(copy(context, empty, Tensor({0, 4}, DType::bf16)));
  EXPECT_THROW(copy(context, Tensor({2, 3}, DType::f32), Tensor({3, 2}, DType::f32)), Error);
}

}  // namespace
}  // namespace memlong::ops
