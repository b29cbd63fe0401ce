#include "ops/place_token.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::values;

constexpr int64_t kWindow = 9;
constexpr int64_t kDim = 6;

class PlaceToken : public testing::TestWithParam<DType> {
 protected:
  void place(int32_t position) {
    *position_.data<int32_t>() = position;
    place_token(context_, table_,
                {.position = position_,
                 .q = q_,
                 .k = k_,
                 .v = v_,
                 .cached_k = cached_k_,
                 .cached_v = cached_v_,
                 .raw_k = raw_k_,
                 .raw_v = raw_v_});
  }

  Context context_;
  RopeTable table_ = RopeTable({.theta = 50.0}, kDim, kWindow);
  Tensor position_ = Tensor({1}, DType::i32);
  Tensor q_ = random_tensor({1, 4, kDim}, GetParam(), 1);
  Tensor k_ = random_tensor({1, 2, kDim}, GetParam(), 2);
  Tensor v_ = random_tensor({1, 2, kDim}, GetParam(), 3);
  Tensor cached_k_ = random_tensor({2, kWindow, kDim}, GetParam(), 4);
  Tensor cached_v_ = random_tensor({2, kWindow, kDim}, GetParam(), 5);
  Tensor raw_k_ = random_tensor({2, kWindow, kDim}, GetParam(), 6);
  Tensor raw_v_ = random_tensor({2, kWindow, kDim}, GetParam(), 7);
};

/// Of x [G, W, D] as it was, with the row of that position as `rows` [1, G, D] has it.
std::vector<double> with_row(Context& context, const Tensor& x, int64_t position,
                             const TensorView& rows) {
  const Tensor changed = Tensor::copy_of(x);
  copy(context, rows, changed.view().slice(1, position, position + 1).permute({1, 0, 2}));
  return values(changed);
}

TEST_P(PlaceToken, IsARotationAndCopiesToOneRow) {
  for (const int32_t position : {0, 4, 8}) {
    const auto turned = [&](const Tensor& x) {
      Tensor out(x.shape(), GetParam());
      rope(context_, x, table_, position, out);
      return out;
    };
    const auto q = values(turned(q_));
    const auto cached_k = with_row(context_, cached_k_, position, turned(k_));
    const auto cached_v = with_row(context_, cached_v_, position, v_);
    const auto raw_k = with_row(context_, raw_k_, position, k_);
    const auto raw_v = with_row(context_, raw_v_, position, v_);
    place(position);
    EXPECT_EQ(values(q_), q);
    EXPECT_EQ(values(cached_k_), cached_k);
    EXPECT_EQ(values(cached_v_), cached_v);
    EXPECT_EQ(values(raw_k_), raw_k);
    EXPECT_EQ(values(raw_v_), raw_v);
  }
}

TEST_P(PlaceToken, APlaceOutsideTheWindowIsRefused) {
  EXPECT_THROW(place(-1), Error);
  EXPECT_THROW(place(kWindow), Error);
  raw_v_ = {};
  EXPECT_THROW(place(0), Error) << "raw_k without raw_v";
}

INSTANTIATE_TEST_SUITE_P(All, PlaceToken, testing::Values(DType::f32, DType::bf16));

}  // namespace
}  // namespace memlong::ops
