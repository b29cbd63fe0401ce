#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace memlong {
namespace {

/// 0, 1, 2, ... in row-major order.
Tensor counting(const Shape& shape) {
  Tensor tensor(shape, DType::f32);
  for (int64_t i = 0; i < shape.elements(); ++i) tensor.data<float>()[i] = static_cast<float>(i);
  return tensor;
}

std::vector<float> elements(const TensorView& view) {
  const Tensor flat = Tensor::copy_of(view);
  return {flat.data<float>(), flat.data<float>() + view.elements()};
}

TEST(Shape, ExtentsElementsText) {
  const Shape shape = {2, 3, 4};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape[2], 4);
  EXPECT_EQ(shape.elements(), 24);
  EXPECT_EQ(shape.to_string(), "[2, 3, 4]");
  EXPECT_EQ(Shape().elements(), 0);
  EXPECT_EQ(Shape({0, 5}).elements(), 0);
  EXPECT_NE(shape, Shape({2, 3}));
  EXPECT_THROW(Shape({1, 1, 1, 1, 1}), Error);
}

TEST(TensorView, SliceMovesThePointer) {
  const Tensor x = counting({3, 4});
  EXPECT_EQ(elements(x.view().slice(0, 1, 3)), (std::vector<float>{4, 5, 6, 7, 8, 9, 10, 11}));
  const TensorView columns = x.view().slice(1, 1, 3);
  EXPECT_FALSE(columns.contiguous());
  EXPECT_EQ(elements(columns), (std::vector<float>{1, 2, 5, 6, 9, 10}));
  EXPECT_TRUE(x.view().slice(0, 2, 2).empty());
  EXPECT_THROW((void)x.view().slice(0, 2, 4), Error);
  EXPECT_THROW((void)x.view().slice(1, 3, 2), Error);
  EXPECT_THROW((void)x.view().slice(2, 0, 1), Error);
}

TEST(TensorView, PermuteSwapsStrides) {
  const Tensor x = counting({2, 3, 2});
  const TensorView turned = x.view().permute({1, 0, 2});
  EXPECT_EQ(turned.shape(), Shape({3, 2, 2}));
  EXPECT_EQ(elements(turned), (std::vector<float>{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}));
  EXPECT_THROW((void)x.view().permute({0, 1}), Error);
}

TEST(TensorView, ReshapeNeedsContiguousElements) {
  const Tensor x = counting({2, 6});
  EXPECT_EQ(x.view().reshape({4, 3}).stride(0), 3);
  EXPECT_THROW((void)x.view().reshape({5, 3}), Error);
  EXPECT_THROW((void)x.view().slice(1, 0, 3).reshape({6}), Error);
}

TEST(TensorView, SplitLastKeepsStrides) {
  const Tensor x = counting({2, 12});
  const TensorView heads = x.view().slice(1, 4, 12).split_last(4);
  EXPECT_EQ(heads.shape(), Shape({2, 2, 4}));
  EXPECT_EQ(heads.stride(0), 12);
  EXPECT_EQ(heads.stride(1), 4);
  EXPECT_EQ(elements(heads.slice(0, 1, 2)), (std::vector<float>{16, 17, 18, 19, 20, 21, 22, 23}));
  EXPECT_THROW((void)x.view().split_last(5), Error);
}

TEST(TensorView, DataChecksTheType) {
  const Tensor x = counting({2});
  EXPECT_THROW((void)x.view().data<bf16>(), Error);
  EXPECT_EQ(x.view().bytes(), 8U);
}

TEST(Tensor, OwnsAlignedMemory) {
  const Tensor x = Tensor::zeros({3, 5}, DType::bf16);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(x.view().raw()) % 64, 0U);
  for (int i = 0; i < 15; ++i) EXPECT_EQ(x.data<bf16>()[i].bits, 0);
  EXPECT_TRUE(Tensor().empty());
  EXPECT_TRUE(Tensor({0, 3}, DType::f32).empty());
}

TEST(Tensor, CopyOfIsIndependent) {
  const Tensor x = counting({4});
  const Tensor copy = Tensor::copy_of(x);
  x.data<float>()[0] = 9.0F;
  EXPECT_EQ(copy.data<float>()[0], 0.0F);
}

}  // namespace
}  // namespace memlong
