#include <utility>
#include <vector>

#include "ops/cpu/any_dtype.h"
#include "ops/cuda/elements.cuh"
#include "ops/embedding_kernels.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

constexpr int kThreads = 128;

/// Element i of out is column i % columns of row i / columns.
template <class T>
struct Lookup {
  const T* table;
  int64_t table_stride;
  const int32_t* ids;
  float* out;
  int64_t out_stride;
  int64_t columns;

  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t row = i / columns;
    const int64_t column = i - row * columns;
    float value[N];
    device::load_floats(table + ids[row] * table_stride + column, value);
    device::store_floats(out + row * out_stride + column, value);
  }
};

/// The tokens of each id that occurs, in their order. All on the device.
struct Groups {
  const int32_t* tokens;  ///< grouped by id
  const int32_t* begins;  ///< of the groups in `tokens`, and the end of the last
  const int32_t* ids;     ///< of the groups
};

/// A block adds a group's rows, one after the other, to N columns for each thread.
template <int N>
__global__ void __launch_bounds__(kThreads)
    add_groups(const Groups groups, const float* dout, int64_t dout_stride, float* dtable,
               int64_t dtable_stride, int64_t columns) {
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x) * N;
  if (column >= columns) return;
  const int begin = groups.begins[blockIdx.x];
  const int end = groups.begins[blockIdx.x + 1];
  float* to = dtable + groups.ids[blockIdx.x] * dtable_stride + column;
  float sum[N];
  device::load_floats(to, sum);
#pragma unroll 4
  for (int i = begin; i < end; ++i) {
    float value[N];
    device::load_floats(dout + groups.tokens[i] * dout_stride + column, value);
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] += value[j];
  }
  device::store_floats(to, sum);
}

const int32_t* upload(Context& context, const char* name, std::span<const int32_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  const TensorView copy = context.scratch(name, {count}, DType::i32);
  cuda::copy_bytes(context, copy.raw(), values.data(), values.size_bytes());
  return copy.data<int32_t>();
}

/// `ids` lie on the device.
void look_up(Context& context, const TensorView& table, const int32_t* ids, const TensorView& out) {
  cpu::dispatch_any_float(table.dtype(), [&](auto type) {
    using T = decltype(type);
    const Lookup<T> work = {table.data<T>(),   table.stride(0), ids,
                            out.data<float>(), out.stride(0),   out.dim(1)};
    for_elements(context, "embedding", work, out.elements(), out.dim(1), table, out);
  });
}

/// Grouping is the host's work, which has nothing else to do; the ids are there. Returns how many
/// groups there are of ids below `limit`.
int64_t make_groups(Context& context, std::span<const int32_t> ids, int64_t limit, Groups& groups) {
  std::vector<int32_t> places(static_cast<size_t>(limit) + 1);  // by id: where its tokens begin
  for (const int32_t id : ids) {
    if (id >= 0) ++places[static_cast<size_t>(id) + 1];
  }
  std::vector<int32_t> begins;
  std::vector<int32_t> group_ids;
  int32_t at = 0;
  for (int64_t id = 0; id < limit; ++id) {
    const auto next = static_cast<size_t>(id) + 1;
    const int32_t count = std::exchange(places[next], at);
    if (count == 0) continue;
    begins.push_back(at);
    group_ids.push_back(static_cast<int32_t>(id));
    at += count;
  }
  begins.push_back(at);
  std::vector<int32_t> tokens(static_cast<size_t>(at));
  for (size_t t = 0; t < ids.size(); ++t) {
    if (ids[t] < 0) continue;
    tokens[static_cast<size_t>(places[static_cast<size_t>(ids[t]) + 1]++)] =
        static_cast<int32_t>(t);
  }
  groups.tokens = upload(context, "embedding_backward tokens", tokens);
  groups.begins = upload(context, "embedding_backward begins", begins);
  groups.ids = upload(context, "embedding_backward ids", group_ids);
  return static_cast<int64_t>(group_ids.size());
}

}  // namespace

template <>
void embedding_kernel<Device::cuda>(Context& context, const TensorView& table,
                                    std::span<const int32_t> ids, const TensorView& out) {
  look_up(context, table, upload(context, "embedding ids", ids), out);
}

template <>
void embedding_of_view_kernel<Device::cuda>(Context& context, const TensorView& table,
                                            const TensorView& ids, const TensorView& out) {
  look_up(context, table, ids.data<int32_t>(), out);
}

template <>
void embedding_backward_kernel<Device::cuda>(Context& context, std::span<const int32_t> ids,
                                             const TensorView& dout, const TensorView& dtable) {
  Groups groups{};
  const int64_t count = make_groups(context, ids, dtable.dim(0), groups);
  if (count == 0) return;
  const auto run = [&](auto width) {
    constexpr int kWidth = decltype(width)::value;
    const unsigned strips = blocks_for(dout.dim(1), kThreads * kWidth);
    launch(context, "embedding_backward", {{static_cast<unsigned>(count), strips}, kThreads},
           add_groups<kWidth>, groups, dout.data<float>(), dout.stride(0), dtable.data<float>(),
           dtable.stride(0), dout.dim(1));
  };
  dispatch_width(dout.dim(1), run, dout, dtable);
}

}  // namespace memlong::ops
