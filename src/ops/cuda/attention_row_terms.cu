#include "ops/cuda/attention_backward.h"

namespace memlong::ops::device {
namespace {

constexpr int kWarps = 8;

/// A warp for each row.
template <class T>
__global__ void __launch_bounds__(kWarps* kWarp)
    make_row_terms(const __grid_constant__ DeviceTable<TermsOfCall<T>> calls) {
  const TermsOfCall<T>& call = calls[static_cast<int>(blockIdx.z)];
  const int group = static_cast<int>(blockIdx.y);
  const int r = static_cast<int>(blockIdx.x) * kWarps + warp_index();
  if (group >= call.groups || r >= call.rows) return;
  const T* out = call.out.row(group, r);
  const T* dout = call.dout.row(group, r);
  float delta = 0.0F;
  for (int d = lane_index(); d < call.dim; d += kWarp)
    delta += to_float(out[d]) * to_float(dout[d]);
  delta = warp_reduce<Sum>(delta);
  if (lane_index() == 0) {
    call.terms[static_cast<int64_t>(group) * call.rows + r] = {*call.lse.row(group, r) * kLog2e,
                                                               delta};
  }
}

template <class T>
void run(Context& context, const std::vector<TermsOfCall<T>>& calls) {
  if (calls.empty()) return;
  int rows = 0;
  int groups = 0;
  for (const TermsOfCall<T>& call : calls) {
    rows = std::max(rows, call.rows);
    groups = std::max(groups, call.groups);
  }
  const dim3 grid(blocks_for(rows, kWarps), static_cast<unsigned>(groups),
                  static_cast<unsigned>(calls.size()));
  launch(context, "attention_backward rows", {grid, kWarps * kWarp}, make_row_terms<T>,
         make_table(context, "attention_backward rows", calls));
}

}  // namespace

void attention_row_terms(Context& context, const std::vector<TermsOfCall<float>>& calls) {
  run(context, calls);
}
void attention_row_terms(Context& context, const std::vector<TermsOfCall<bf16>>& calls) {
  run(context, calls);
}

}  // namespace memlong::ops::device
