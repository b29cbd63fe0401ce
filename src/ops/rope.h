// Rotary position embedding (arXiv 2104.09864) with half-split pairing and the scalings that
// Hugging Face's Llama knows.
//
//   out[i]       = x[i] cos(p f_i) - x[i + D/2] sin(p f_i)      i < D/2
//   out[i + D/2] = x[i + D/2] cos(p f_i) + x[i] sin(p f_i)      f_i = theta^(-2i/D), then scaled
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace memlong::ops {

enum class RopeScaling : uint8_t { none, linear, dynamic, llama3, yarn };

/// What a model's config says of its rotary embedding. Unused fields keep their defaults.
struct RopeParameters {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;             ///< linear, dynamic, llama3, yarn
  int64_t original_positions = 0;  ///< original_max_position_embeddings (dynamic, llama3, yarn)
  double low_freq_factor = 1.0;    ///< llama3
  double high_freq_factor = 4.0;   ///< llama3
  double beta_fast = 32.0;         ///< yarn
  double beta_slow = 1.0;          ///< yarn
  double attention_factor = 0.0;   ///< yarn; 0: derived from factor and the mscales
  double mscale = 0.0;             ///< yarn; 0: not given
  double mscale_all_dim = 0.0;     ///< yarn; 0: not given
  bool truncate = true;            ///< yarn: round the correction range to whole dimensions
};

/// The D/2 frequencies f_i after scaling, and the factor on cos and sin (1 except for yarn).
/// `positions` is the longest window; dynamic scaling depends on it (and only on it, so that
/// positions stay fixed once a token is read). Errors: config.
struct RopeFrequencies {
  std::vector<double> inverse;
  double amplitude = 1.0;
};
RopeFrequencies rope_frequencies(const RopeParameters& parameters, int64_t head_dim,
                                 int64_t positions);

/// cos and sin of every position of a window, computed in double, kept as f32. Immutable. Made on
/// the host.
class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(const RopeParameters& parameters, int64_t head_dim, int64_t positions);
  /// The same table where the context computes, which is where rope() needs it.
  [[nodiscard]] RopeTable on(Context& context) const;
  [[nodiscard]] int64_t positions() const { return positions_; }
  [[nodiscard]] int64_t head_dim() const { return head_dim_; }
  [[nodiscard]] const TensorView& cos() const { return cos_.view(); }  ///< [positions, D/2] f32
  [[nodiscard]] const TensorView& sin() const { return sin_.view(); }  ///< [positions, D/2] f32

 private:
  int64_t positions_ = 0;
  int64_t head_dim_ = 0;
  Tensor cos_;
  Tensor sin_;
};

/// Rotates x [T, H, D] (row t stands at position `start` + t) into out [T, H, D] of x's dtype
/// (f32 or bf16). Strides are free, the last dimension contiguous; out may be x.
/// start + T must not pass table.positions().
void rope(Context& context, const TensorView& x, const RopeTable& table, int64_t start,
          const TensorView& out);

/// Rows [begin, end) stand at positions from `start` on.
struct RopeRows {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t start = 0;
};

/// The same for rows of many windows, x [T, H, D]: the sequences follow each other and cover [0,
/// T). Where there are many, faster than one after the other.
void rope(Context& context, const TensorView& x, const RopeTable& table,
          std::span<const RopeRows> sequences, const TensorView& out);

/// Gradient of rope, which is the rotation back: dx from dout, shapes and rules as above (dx may be
/// dout). The table's amplitude applies as in the forward call.
void rope_backward(Context& context, const TensorView& dout, const RopeTable& table, int64_t start,
                   const TensorView& dx);
void rope_backward(Context& context, const TensorView& dout, const RopeTable& table,
                   std::span<const RopeRows> sequences, const TensorView& dx);

}  // namespace memlong::ops
