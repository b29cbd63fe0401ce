#include "ops/embedding.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::values;

TEST(Embedding, PicksRowsOfEveryType) {
  Context context;
  const std::vector<int32_t> ids = {3, 0, 9, 3};
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    const Tensor table = random_tensor({10, 21}, dtype, 1);
    const Tensor out({4, 21}, DType::f32);
    embedding(context, table, ids, out);
    const std::vector<double> rows = values(table);
    const std::vector<double> picked = values(out);
    for (size_t t = 0; t < 4; ++t) {
      for (size_t c = 0; c < 21; ++c) {
        ASSERT_EQ(picked[t * 21 + c], rows[static_cast<size_t>(ids[t]) * 21 + c]);
      }
    }
  }
}

TEST(Embedding, RefusesIdsOutsideTheVocabulary) {
  Context context;
  const Tensor table = random_tensor({10, 4}, DType::f32, 1);
  const Tensor out({1, 4}, DType::f32);
  for (const int32_t id : {-1, 10}) {
    EXPECT_THROW(embedding(context, table, std::vector<int32_t>{id}, out), Error);
  }
}

TEST(Embedding, NoIdsIsNoWork) {
  Context context;
  EXPECT_NO_THROW(
      embedding(context, random_tensor({3, 4}, DType::f32, 1), {}, Tensor({0, 4}, DType::f32)));
}

TEST(EmbeddingBackward, AddsRowsInTheOrderOfTokens) {
  const Tensor start = random_tensor({50, 150}, DType::f32, 2);
  const Tensor wide = random_tensor({2000, 160}, DType::f32, 3);
  const TensorView dout = wide.view().slice(1, 5, 155);
  std::vector<int32_t> ids;
  for (int32_t t = 0; t < 2000; ++t) ids.push_back(t * 7 % 41);  // ids from 41 on never come
  std::vector<float> expected(start.data<float>(), start.data<float>() + 50 * 150);
  for (size_t t = 0; t < ids.size(); ++t) {
    for (size_t c = 0; c < 150; ++c) {
      expected[static_cast<size_t>(ids[t]) * 150 + c] += wide.data<float>()[t * 160 + 5 + c];
    }
  }
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    const Tensor table = Tensor::copy_of(start);
    embedding_backward(context, ids, dout, table);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(table.data<float>()[i], expected[i]) << i;
    }
  }
}

TEST(EmbeddingBackward, RowsWithoutAnIdGoNowhere) {
  Context context;
  const Tensor table = Tensor::zeros({3, 4}, DType::f32);
  const Tensor dout = random_tensor({4, 4}, DType::f32, 6);
  embedding_backward(context, std::vector<int32_t>{-1, 2, -1, 0}, dout, table);
  for (int64_t c = 0; c < 4; ++c) {
    EXPECT_EQ(table.data<float>()[c], dout.data<float>()[12 + c]);
    EXPECT_EQ(table.data<float>()[4 + c], 0.0F);
    EXPECT_EQ(table.data<float>()[8 + c], dout.data<float>()[4 + c]);
  }
  EXPECT_THROW(embedding_backward(context, std::vector<int32_t>{-2, 0, 0, 0}, dout, table), Error);
}

TEST(EmbeddingBackward, NoTokensAndWrongOnes) {
  Context context;
  const Tensor table = random_tensor({3, 4}, DType::f32, 4);
  const std::vector<double> before = values(table);
  embedding_backward(context, {}, Tensor({0, 4}, DType::f32), table);
  EXPECT_EQ(values(table), before);
  const Tensor dout = random_tensor({1, 4}, DType::f32, 5);
  EXPECT_THROW(embedding_backward(context, std::vector<int32_t>{3}, dout, table), Error);
  EXPECT_THROW(embedding_backward(context, std::vector<int32_t>{0, 1}, dout, table), Error);
}

}  // namespace
}  // namespace memlong::ops
