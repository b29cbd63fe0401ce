#include "ops/embedding.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/embedding_kernels.h"

namespace memlong::ops {

void embedding(Context& context, const TensorView& table, std::span<const int32_t> ids,
               const TensorView& out) {
  check_rank(table, 2, "embedding table");
  check_shape(out, {static_cast<int64_t>(ids.size()), table.dim(1)}, "embedding out");
  check_dtype(out, DType::f32, "embedding out");
  check_rows(table, "embedding table");
  check_rows(out, "embedding out");
  check_device(context, out, "embedding out");
  for (const int32_t id : ids) {
    MEMLONG_CHECK(id >= 0 && id < table.dim(0), "token id " + std::to_string(id) +
                                                    " outside the vocabulary of " +
                                                    std::to_string(table.dim(0)));
  }
  if (out.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { embedding_kernel<decltype(tag)::kDevice>(context, table, ids, out); });
}

}  // namespace memlong::ops
