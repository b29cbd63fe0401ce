#include "tensor/dtype.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong {
namespace {

TEST(DType, NamesAndSizes) {
  EXPECT_EQ(dtype_size(DType::f32), 4U);
  EXPECT_EQ(dtype_size(DType::bf16), 2U);
  EXPECT_EQ(dtype_size(DType::f16), 2U);
  EXPECT_EQ(dtype_size(DType::i64), 8U);
  EXPECT_EQ(dtype_size(DType::u8), 1U);
  for (const DType dtype :
       {DType::f32, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8}) {
    EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype);
  }
  EXPECT_THROW(parse_dtype("fp8"), Error);
}

TEST(Bf16, EveryPatternRoundTrips) {
  for (uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    bf16 value;
    value.bits = static_cast<uint16_t>(bits);
    const auto wide = static_cast<float>(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(bf16(wide))));
    } else {
      ASSERT_EQ(bf16(wide).bits, bits);
    }
  }
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(bf16(1.0F).bits, 0x3F80);
  EXPECT_EQ(bf16(1.0F + 0x1p-8F).bits, 0x3F80);  // half way, down to even
  EXPECT_EQ(bf16(1.0F + 0x3p-8F).bits, 0x3F82);  // half way, up to even
  EXPECT_EQ(bf16(1.0F + 0x1p-8F + 0x1p-20F).bits, 0x3F81);
  EXPECT_EQ(bf16(std::numeric_limits<float>::max()).bits, 0x7F80);  // rounds to infinity
}

TEST(F16, EveryPatternRoundTrips) {
  for (uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    f16 value;
    value.bits = static_cast<uint16_t>(bits);
    const auto wide = static_cast<float>(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(f16(wide))));
    } else {
      ASSERT_EQ(f16(wide).bits, bits);
    }
  }
}

TEST(F16, KnownValues) {
  EXPECT_EQ(f16(1.0F).bits, 0x3C00);
  EXPECT_EQ(f16(-2.0F).bits, 0xC000);
  EXPECT_EQ(f16(65504.0F).bits, 0x7BFF);
  EXPECT_EQ(f16(65519.0F).bits, 0x7BFF);
  EXPECT_EQ(f16(65520.0F).bits, 0x7C00);  // rounds past the largest
  EXPECT_EQ(f16(0x1p-24F).bits, 0x0001);  // the smallest subnormal
  EXPECT_EQ(f16(0x1p-25F).bits, 0x0000);  // half of it, to even
  EXPECT_EQ(f16(0x1.8p-24F).bits, 0x0002);
  EXPECT_EQ(f16(0x1p-14F).bits, 0x0400);  // the smallest normal
  EXPECT_EQ(f16(1.0F + 0x1p-11F).bits, 0x3C00);
  EXPECT_EQ(f16(1.0F + 0x3p-11F).bits, 0x3C02);
  EXPECT_EQ(f16(-0.0F).bits, 0x8000);
}

}  // namespace
}  // namespace memlong
