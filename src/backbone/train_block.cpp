#include "backbone/train_block.h"

#include <algorithm>
#include <cmath>

#include "ops/copy.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace memlong::backbone {
namespace {

/// Rows that go through an MLP or a projection together. On the CPU what lies between its products
/// stays in cache, and products come in few sizes, whose preparation is kept; a GPU needs many rows
/// at once.
constexpr int64_t kRowBlock = 1024;
constexpr int64_t kDeviceRowBlock = 16384;

template <class Fn>
void for_row_blocks(const Context& context, int64_t rows, const Fn& fn) {
  const int64_t block = context.device() == Device::cpu ? kRowBlock : kDeviceRowBlock;
  for (int64_t begin = 0; begin < rows; begin += block) {
    fn(begin, std::min(rows, begin + block));
  }
}

/// Columns of kv as heads: keys (part 0) or values (part 1), [T, G, D].
TensorView heads_of(const TensorView& kv, const model::ModelConfig& config, int part) {
  const int64_t width = config.kv_heads * config.head_dim;
  return kv.slice(1, part * width, (part + 1) * width).split_last(config.head_dim);
}

TensorView rows_of(const TensorView& packed, const PackedSequence& sequence) {
  return packed.slice(0, sequence.begin, sequence.end);
}

std::vector<ops::RopeRows> rope_rows(const BlockRun& run) {
  std::vector<ops::RopeRows> places;
  for (const PackedSequence& sequence : run.sequences) {
    places.push_back({sequence.begin, sequence.end, sequence.position});
  }
  return places;
}

TensorView normed_rows(Context& context, const BlockRun& run, const TensorView& x,
                       const TensorView& weight) {
  const TensorView normed = context.scratch("train_block.normed", x.shape(), run.dtype);
  ops::rms_norm(context, x, weight, run.config->rms_eps, normed);
  return normed;
}

ops::AttentionArgs attention_args(const BlockRun& run, const SavedBlock& saved,
                                  const PackedSequence& sequence) {
  const model::ModelConfig& config = *run.config;
  const TensorView kv = rows_of(saved.kv, sequence);
  ops::AttentionArgs args;
  args.q = rows_of(saved.q, sequence).split_last(config.head_dim);
  args.k = heads_of(kv, config, 0).permute({1, 0, 2});
  args.v = heads_of(kv, config, 1).permute({1, 0, 2});
  args.scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim));
  if (run.reads) args.memory = sequence.memory;
  args.out = rows_of(saved.mixed, sequence).split_last(config.head_dim);
  args.lse = rows_of(saved.lse, sequence);
  return args;
}

/// Pairs of query and key of all heads, times the head's size.
double attention_volume(const BlockRun& run) {
  double pairs = 0.0;
  for (const PackedSequence& sequence : run.sequences) {
    const auto rows = static_cast<double>(sequence.end - sequence.begin);
    pairs += 0.5 * rows * (rows + 1.0);
    if (!run.reads) continue;
    for (const ops::MemorySegment& segment : sequence.memory) {
      pairs += static_cast<double>((segment.end - segment.begin) * segment.k.dim(1));
    }
  }
  return pairs * static_cast<double>(run.config->heads * run.config->head_dim);
}

}  // namespace

void TrainBlock::pack(Context& context) {
  for (TrainLinear* linear : {&q, &kv, &o, &gate_up, &down}) linear->pack(context);
}

bool TrainBlock::trained() const {
  return input_norm.trained() || post_norm.trained() || q.trained() || kv.trained() ||
         o.trained() || gate_up.trained() || down.trained();
}

void train_project(Context& context, const TrainBlock& block, BlockRun& run,
                   const SavedBlock& saved) {
  const bool memory_layer = run.raw_kv.raw() != nullptr;
  const int64_t kv_rows = memory_layer && !run.raw_given ? run.raw_kv.dim(0) : run.rows;
  const TensorView kv = memory_layer ? run.raw_kv : saved.kv;
  for_row_blocks(context, kv_rows, [&](int64_t begin, int64_t end) {
    const TensorView x = saved.x.slice(0, begin, end);
    const TensorView normed = normed_rows(context, run, x, block.input_norm.value);
    const int64_t last = std::clamp(run.rows, begin, end);
    const TensorView to_q = normed.slice(0, 0, last - begin);
    if (last > begin) {
      run.flops += block.q.forward(context, to_q, saved.q.slice(0, begin, last));
    }
    if (!run.raw_given) run.flops += block.kv.forward(context, normed, kv.slice(0, begin, end));
  });
  if (memory_layer) ops::copy(context, run.raw_kv.slice(0, 0, run.rows), saved.kv);
  const std::vector<ops::RopeRows> places = rope_rows(run);
  const TensorView q = saved.q.split_last(run.config->head_dim);
  const TensorView k = heads_of(saved.kv, *run.config, 0);
  ops::rope(context, q, *run.rope, places, q);
  ops::rope(context, k, *run.rope, places, k);
}

void train_attend(Context& context, const TrainBlock& block, BlockRun& run,
                  const SavedBlock& saved) {
  std::vector<ops::AttentionArgs> calls;
  for (const PackedSequence& sequence : run.sequences) {
    calls.push_back(attention_args(run, saved, sequence));
  }
  ops::attention(context, calls);
  run.flops += 4.0 * attention_volume(run);
  for_row_blocks(context, run.rows, [&](int64_t begin, int64_t end) {
    const TensorView out = saved.middle.slice(0, begin, end);
    ops::copy(context, saved.x.slice(0, begin, end), out);
    run.flops += block.o.forward(context, saved.mixed.slice(0, begin, end), out, true);
  });
}

void train_feed_forward(Context& context, const TrainBlock& block, BlockRun& run,
                        const SavedBlock& saved, const TensorView& out) {
  for_row_blocks(context, run.rows, [&](int64_t begin, int64_t end) {
    const TensorView x = saved.middle.slice(0, begin, end);
    const TensorView gate_up = saved.gate_up.slice(0, begin, end);
    const TensorView normed = normed_rows(context, run, x, block.post_norm.value);
    run.flops += block.gate_up.forward(context, normed, gate_up);
    if (out.raw() == nullptr) return;
    const TensorView gated =
        context.scratch("train_block.gated", {end - begin, run.config->ffn}, run.dtype);
    ops::swiglu(context, gate_up, gated);
    const TensorView rows = out.slice(0, begin, end);
    ops::copy(context, x, rows);
    run.flops += block.down.forward(context, gated, rows, true);
  });
}

void train_feed_forward_backward(Context& context, const TrainBlock& block, BlockRun& run,
                                 const SavedBlock& saved, const TensorView& dx) {
  for_row_blocks(context, run.rows, [&](int64_t begin, int64_t end) {
    const Shape narrow{end - begin, run.config->hidden};
    const Shape wide{end - begin, run.config->ffn};
    const TensorView drows = dx.slice(0, begin, end);
    const TensorView dy = context.scratch("train_block.dy", narrow, run.dtype);
    ops::copy(context, drows, dy);
    const TensorView gate_up = saved.gate_up.slice(0, begin, end);
    const TensorView gated = context.scratch("train_block.gated", wide, run.dtype);
    ops::swiglu(context, gate_up, gated);
    const TensorView dgated = context.scratch("train_block.dgated", wide, run.dtype);
    run.flops += block.down.backward(context, gated, dy, dgated);
    ops::swiglu_backward(context, gate_up, dgated, gate_up);
    const TensorView x = saved.middle.slice(0, begin, end);
    const TensorView normed = normed_rows(context, run, x, block.post_norm.value);
    const TensorView dnormed = context.scratch("train_block.dnormed", narrow, DType::f32);
    run.flops += block.gate_up.backward(context, normed, gate_up, dnormed);
    ops::rms_norm_backward(context, x, block.post_norm.value, run.config->rms_eps, dnormed, drows,
                           block.post_norm.gradient);
  });
}

ProjectionGradient train_attend_backward(Context& context, const TrainBlock& block, BlockRun& run,
                                         const SavedBlock& saved, const TensorView& dx) {
  const model::ModelConfig& config = *run.config;
  const TensorView dmixed = context.scratch("train_block.dmixed", saved.mixed.shape(), run.dtype);
  for_row_blocks(context, run.rows, [&](int64_t begin, int64_t end) {
    const Shape narrow{end - begin, config.hidden};
    const TensorView dy = context.scratch("train_block.dy", narrow, run.dtype);
    ops::copy(context, dx.slice(0, begin, end), dy);
    run.flops += block.o.backward(context, saved.mixed.slice(0, begin, end), dy,
                                  dmixed.slice(0, begin, end));
  });

  const bool pasts = run.raw_kv.raw() != nullptr && !run.raw_given;
  const int64_t kv_rows = pasts ? run.raw_kv.dim(0) : run.rows;
  ProjectionGradient gradient;
  gradient.dq = context.scratch("train_block.dq", saved.q.shape(), run.dtype);
  gradient.dkv = context.scratch("train_block.dkv", {kv_rows, saved.kv.dim(1)}, run.dtype);
  std::vector<ops::AttentionBackwardArgs> calls;
  for (const PackedSequence& sequence : run.sequences) {
    const TensorView dkv = rows_of(gradient.dkv, sequence);
    ops::AttentionBackwardArgs args;
    args.forward = attention_args(run, saved, sequence);
    args.dout = rows_of(dmixed, sequence).split_last(config.head_dim);
    args.dq = rows_of(gradient.dq, sequence).split_last(config.head_dim);
    args.dk = heads_of(dkv, config, 0).permute({1, 0, 2});
    args.dv = heads_of(dkv, config, 1).permute({1, 0, 2});
    if (run.reads) args.memory = sequence.gradients;
    calls.push_back(args);
  }
  ops::attention_backward(context, calls);
  run.flops += 10.0 * attention_volume(run);
  const std::vector<ops::RopeRows> places = rope_rows(run);
  const TensorView dq = gradient.dq.split_last(config.head_dim);
  const TensorView dk = heads_of(gradient.dkv.slice(0, 0, run.rows), config, 0);
  ops::rope_backward(context, dq, *run.rope, places, dq);
  ops::rope_backward(context, dk, *run.rope, places, dk);
  return gradient;
}

void train_project_backward(Context& context, const TrainBlock& block, BlockRun& run,
                            const SavedBlock& saved, const ProjectionGradient& gradient,
                            const TensorView& dx) {
  const int64_t kv_rows = run.raw_given ? run.rows : gradient.dkv.dim(0);
  const bool wanted = dx.raw() != nullptr;
  for_row_blocks(context, kv_rows, [&](int64_t begin, int64_t end) {
    const TensorView x = saved.x.slice(0, begin, end);
    const TensorView normed = normed_rows(context, run, x, block.input_norm.value);
    TensorView dnormed;
    if (wanted) {
      const Shape shape{end - begin, run.config->hidden};
      dnormed = context.scratch("train_block.dnormed", shape, DType::f32);
    }
    if (!run.raw_given) {
      const TensorView dkv = gradient.dkv.slice(0, begin, end);
      run.flops += block.kv.backward(context, normed, dkv, dnormed);
    }
    const int64_t last = std::clamp(run.rows, begin, end);
    if (last > begin) {
      const TensorView dq = gradient.dq.slice(0, begin, last);
      run.flops +=
          block.q.backward(context, normed.slice(0, 0, last - begin), dq,
                           wanted ? dnormed.slice(0, 0, last - begin) : TensorView(), true);
    }
    if (!wanted) return;
    ops::rms_norm_backward(context, x, block.input_norm.value, run.config->rms_eps, dnormed,
                           dx.slice(0, begin, end), block.input_norm.gradient);
  });
}

}  // namespace memlong::backbone
