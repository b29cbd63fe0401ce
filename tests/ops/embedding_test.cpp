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

}  // namespace
}  // namespace memlong::ops
