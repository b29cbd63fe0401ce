#include "ops/column_sum.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "ops/reference.h"

namespace memlong::ops {
namespace {

using reference::random_tensor;
using reference::relative_error;
using reference::values;

TEST(ColumnSum, AddsUpEveryColumn) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t rows : {0, 1, 3, 700}) {
      for (const int64_t columns : {1, 20, 64, 200}) {
        const Tensor wide = random_tensor({rows, columns + 9}, dtype, 1);
        const TensorView x = wide.view().slice(1, 4, 4 + columns);
        const Tensor start = random_tensor({columns}, DType::f32, 2);
        std::vector<double> expected = values(start);
        const std::vector<double> terms = rows > 0 ? values(x) : std::vector<double>();
        for (size_t i = 0; i < terms.size(); ++i) expected[i % expected.size()] += terms[i];
        std::vector<double> first;
        for (const int threads : {1, 2, 3}) {
          Context context({.threads = threads});
          const Tensor out = Tensor::copy_of(start);
          column_sum(context, x, out);
          EXPECT_LT(relative_error(values(out), expected), 1e-6) << rows << " x " << columns;
          if (first.empty()) first = values(out);
          EXPECT_EQ(values(out), first) << threads;
        }
      }
    }
  }
}

TEST(ColumnSum, RefusesWhatDoesNotFit) {
  Context context;
  EXPECT_THROW(column_sum(context, Tensor({2, 3}, DType::f32), Tensor({2}, DType::f32)), Error);
  EXPECT_THROW(column_sum(context, Tensor({2, 3}, DType::f32), Tensor({3}, DType::bf16)), Error);
}

}  // namespace
}  // namespace memlong::ops
