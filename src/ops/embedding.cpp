#include "ops/embedding.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/embedding_kernels.h"

namespace memlong::ops {
namespace {

void check_ids(std::span<const int32_t> ids, const TensorView& table, int32_t least) {
  for (const int32_t id : ids) {
    MEMLONG_CHECK(id >= least && id < table.dim(0), "token id " + std::to_string(id) +
                                                        " outside the vocabulary of " +
                                                        std::to_string(table.dim(0)));
  }
}

void check_operands(const Context& context, const TensorView& table, int64_t tokens,
                    const TensorView& out) {
  check_rank(table, 2, "embedding table");
  check_shape(out, {tokens, table.dim(1)}, "embedding out");
  check_dtype(out, DType::f32, "embedding out");
  check_rows(table, "embedding table");
  check_rows(out, "embedding out");
  check_device(context, table, "embedding table");
  check_device(context, out, "embedding out");
}

}  // namespace

void embedding(Context& context, const TensorView& table, std::span<const int32_t> ids,
               const TensorView& out) {
  check_operands(context, table, static_cast<int64_t>(ids.size()), out);
  check_ids(ids, table, 0);
  if (out.empty()) return;
  dispatch(context.device(),
           [&](auto tag) { embedding_kernel<decltype(tag)::kDevice>(context, table, ids, out); });
}

void embedding_of_view(Context& context, const TensorView& table, const TensorView& ids,
                       const TensorView& out) {
  check_rank(ids, 1, "embedding ids");
  check_dtype(ids, DType::i32, "embedding ids");
  check_rows(ids, "embedding ids");
  check_device(context, ids, "embedding ids");
  if (context.device() == Device::cpu) {
    const std::span known(ids.data<int32_t>(), static_cast<size_t>(ids.dim(0)));
    return embedding(context, table, std::span<const int32_t>(known), out);
  }
  check_operands(context, table, ids.dim(0), out);
  if (out.empty()) return;
  if constexpr (kHasCuda) embedding_of_view_kernel<Device::cuda>(context, table, ids, out);
}

void embedding_backward(Context& context, std::span<const int32_t> ids, const TensorView& dout,
                        const TensorView& dtable) {
  check_rank(dtable, 2, "embedding_backward dtable");
  check_shape(dout, {static_cast<int64_t>(ids.size()), dtable.dim(1)}, "embedding_backward dout");
  check_dtype(dout, DType::f32, "embedding_backward dout");
  check_dtype(dtable, DType::f32, "embedding_backward dtable");
  check_rows(dout, "embedding_backward dout");
  check_rows(dtable, "embedding_backward dtable");
  check_device(context, dout, "embedding_backward dout");
  check_device(context, dtable, "embedding_backward dtable");
  check_ids(ids, dtable, -1);
  if (dout.empty()) return;
  dispatch(context.device(), [&](auto tag) {
    embedding_backward_kernel<decltype(tag)::kDevice>(context, ids, dout, dtable);
  });
}

}  // namespace memlong::ops
