#include "ops/place_token.h"

#include "ops/checks.h"
#include "ops/dispatch.h"
#include "ops/place_token_kernels.h"

namespace memlong::ops {
namespace {

void check_operand(const Context& context, const TensorView& x, DType dtype, const Shape& shape,
                   const char* name) {
  check_shape(x, shape, name);
  check_dtype(x, dtype, name);
  check_rows(x, name);
  check_device(context, x, name);
}

}  // namespace

void place_token(Context& context, const RopeTable& table, const TokenPlaces& token) {
  check_rank(token.q, 3, "place_token q");
  check_rank(token.k, 3, "place_token k");
  check_rank(token.cached_k, 3, "place_token cached_k");
  const DType dtype = token.q.dtype();
  const int64_t groups = token.k.dim(1);
  const int64_t dim = token.q.dim(2);
  const Shape cache{groups, token.cached_k.dim(1), dim};
  check_operand(context, token.position, DType::i32, {1}, "place_token position");
  check_operand(context, token.q, dtype, {1, token.q.dim(1), dim}, "place_token q");
  check_operand(context, token.k, dtype, {1, groups, dim}, "place_token k");
  check_operand(context, token.v, dtype, {1, groups, dim}, "place_token v");
  check_operand(context, token.cached_k, dtype, cache, "place_token cached_k");
  check_operand(context, token.cached_v, dtype, cache, "place_token cached_v");
  MEMLONG_CHECK(token.raw_k.empty() == token.raw_v.empty(), "place_token: raw_k without raw_v");
  if (!token.raw_k.empty()) {
    check_operand(context, token.raw_k, dtype, cache, "place_token raw_k");
    check_operand(context, token.raw_v, dtype, cache, "place_token raw_v");
  }
  check_device(context, table.cos(), "rope table");
  MEMLONG_CHECK(dim == table.head_dim(), "rope table of another head_dim");
  MEMLONG_CHECK(cache[1] <= table.positions(), "place_token: a window longer than the rope table");
  dispatch(context.device(),
           [&](auto tag) { place_token_kernel<decltype(tag)::kDevice>(context, table, token); });
}

}  // namespace memlong::ops
