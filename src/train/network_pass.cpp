// Forward and backward over a batch.
#include <span>

#include "common/error.h"
#include "ops/embedding.h"
#include "ops/zero.h"
#include "train/loss.h"
#include "train/network_impl.h"

namespace memlong::train {

using backbone::BlockRun;
using backbone::SavedBlock;

namespace {

/// A pass of the frozen writer over `rows` tokens: products and attention.
double writer_flops(const model::ModelConfig& config, int64_t memory_layer, int64_t rows) {
  const auto hidden = static_cast<double>(config.hidden);
  const auto q = static_cast<double>(config.heads * config.head_dim);
  const auto kv = 2.0 * static_cast<double>(config.kv_heads * config.head_dim);
  const double block = hidden * (2.0 * q + kv + 3.0 * static_cast<double>(config.ffn));
  const auto count = static_cast<double>(rows);
  const auto layers = static_cast<double>(memory_layer);
  return 2.0 * count * (layers * block + hidden * kv) + layers * 2.0 * q * count * (count + 1.0);
}

}  // namespace

bool Network::Impl::keeps(int64_t layer, bool train) const {
  return train && layer >= weights.first;
}

int64_t Network::Impl::rows_into(int64_t layer) const {
  return all() && layer <= memory_layer ? packed.all_rows : packed.rows;
}

/// The input of `layer`, [rows, C] f32; two buffers in turn where it is not kept.
TensorView Network::Impl::residual(Context& context, int64_t layer, bool train) {
  const bool kept = keeps(layer, train) && layer < config.layers;
  const int64_t index = kept ? layer + 2 : layer % 2;
  return residual_buffers[static_cast<size_t>(index)].get(
      context, {rows_into(layer), config.hidden}, DType::f32);
}

SavedBlock Network::Impl::saved_block(Context& context, int64_t layer, int64_t rows, bool train,
                                      const TensorView& x) {
  const bool kept = keeps(layer, train) && !options.recompute;
  const int64_t index = kept ? layer + 1 : 0;
  return saved_buffers[static_cast<size_t>(index)].get(context, config, rows, options.dtype, x);
}

BlockRun Network::Impl::run_of(int64_t layer) const {
  BlockRun run;
  run.config = &config;
  run.rope = &rope;
  run.dtype = options.dtype;
  const bool lower = all() && layer < memory_layer;
  const size_t count = lower ? packed.parts.size() : packed.sequences;
  run.sequences = std::span(packed.parts).first(count);
  run.rows = lower ? packed.all_rows : packed.rows;
  run.reads = reads[static_cast<size_t>(layer)];
  if (layer == memory_layer) {
    run.raw_kv = raw_kv;
    run.raw_given = !all();
  }
  return run;
}

const backbone::TrainBlock& Network::Impl::block(int64_t layer) const {
  return weights.blocks[static_cast<size_t>(layer)];
}

void Network::Impl::start(Context& context, const Batch& batch) {
  packed = pack_batch(batch, window);
  flops = 0.0;
  const int64_t width = 2 * config.kv_heads * config.head_dim;
  raw_kv = raw_kv_buffer.get(context, {packed.all_rows, width}, options.dtype);
}

/// Every part alone, from position 0 on: to the lower layers positions matter only by their
/// differences. x [rows of sequences, C] becomes layer m's input.
void Network::Impl::write_frozen(Context& context, const TensorView& x) {
  const int64_t groups = config.kv_heads;
  for (size_t i = 0; i < packed.parts.size(); ++i) {
    const backbone::PackedSequence& part = packed.parts[i];
    const int64_t rows = part.end - part.begin;
    const TensorView into =
        i < packed.sequences ? x.slice(0, part.begin, part.end)
                             : context.scratch("network.past", {rows, config.hidden}, DType::f32);
    writer->forward(context, packed.ids_of(i), cache, 0, into);
    const TensorView heads = raw_kv.slice(0, part.begin, part.end)
                                 .split_last(config.head_dim)
                                 .permute({1, 0, 2});  // [2*G, T, D]
    writer->keys_values(context, into, heads.slice(0, 0, groups),
                        heads.slice(0, groups, 2 * groups));
    flops += writer_flops(config, memory_layer, rows);
  }
}

void Network::Impl::forward_block(Context& context, const Batch& batch, int64_t layer, bool train) {
  BlockRun run = run_of(layer);
  SavedBlock& kept = saved[static_cast<size_t>(layer)];
  kept = saved_block(context, layer, run.rows, train, residual(context, layer, train));
  train_project(context, block(layer), run, kept);
  if (layer == memory_layer) {
    memory.gather(context, batch, config, raw_kv, train && all(), packed);
  }
  train_attend(context, block(layer), run, kept);
  train_feed_forward(context, block(layer), run, kept, residual(context, layer + 1, train));
  flops += run.flops;
}

void Network::Impl::forward(Context& context, const Batch& batch, bool train) {
  int64_t layer = 0;
  if (all()) {
    ops::embedding(context, weights.embedding.value, packed.ids, residual(context, 0, train));
  } else {
    layer = memory_layer;
    write_frozen(context, residual(context, layer, train));
  }
  for (; layer < config.layers; ++layer) forward_block(context, batch, layer, train);
}

/// dx [rows, C]: gradient of the layer's output, becomes that of its input.
void Network::Impl::backward_block(Context& context, const Batch& batch, int64_t layer,
                                   const TensorView& dx) {
  BlockRun run = run_of(layer);
  const backbone::TrainBlock& here = block(layer);
  SavedBlock& kept = saved[static_cast<size_t>(layer)];
  if (options.recompute) {
    kept = saved_block(context, layer, run.rows, true, residual(context, layer, true));
    train_project(context, here, run, kept);
    train_attend(context, here, run, kept);
    train_feed_forward(context, here, run, kept, {});
  }
  const TensorView inner = dx.slice(0, 0, run.rows);
  train_feed_forward_backward(context, here, run, kept, inner);
  const backbone::ProjectionGradient gradient =
      train_attend_backward(context, here, run, kept, inner);
  if (layer == memory_layer && all()) {
    memory.scatter(context, batch, packed, config, gradient.dkv);
  }
  const bool wanted =
      layer > weights.first || weights.embedding.trained() || here.input_norm.trained();
  train_project_backward(context, here, run, kept, gradient,
                         wanted ? dx.slice(0, 0, rows_into(layer)) : TensorView());
  flops += run.flops;
}

void Network::Impl::backward(Context& context, const Batch& batch, const TensorView& dx) {
  if (all()) {
    ops::zero(context, dx.slice(0, packed.rows, packed.all_rows));
  }
  for (int64_t layer = config.layers - 1; layer >= weights.first; --layer) {
    backward_block(context, batch, layer, dx);
  }
  if (weights.embedding.trained()) {
    ops::embedding_backward(context, packed.ids, dx, weights.embedding.gradient);
  }
}

LossSums Network::Impl::pass(Context& context, const Batch& batch, float scale, bool train) {
  MEMLONG_CHECK(!batch.sequences.empty(), "a batch needs a sequence");
  start(context, batch);
  forward(context, batch, train);
  TensorView dx;
  if (train) dx = gradient_buffer.get(context, {rows_into(0), config.hidden}, DType::f32);
  const LossSums sums = loss_pass(context,
                                  {.config = config,
                                   .final_norm = weights.final_norm,
                                   .head = weights.head,
                                   .dtype = options.dtype,
                                   .batch = batch,
                                   .packed = packed,
                                   .x = residual(context, config.layers, train),
                                   .scale = scale,
                                   .dx = train ? dx.slice(0, 0, packed.rows) : TensorView()},
                                  flops);
  if (train && sums.targets > 0) backward(context, batch, dx);
  return sums;
}

void Network::Impl::write_pasts(Context& context, const Batch& batch) {
  start(context, batch);
  if (!all()) return write_frozen(context, {});
  ops::embedding(context, weights.embedding.value, packed.ids, residual(context, 0, false));
  for (int64_t layer = 0; layer < memory_layer; ++layer) {
    forward_block(context, batch, layer, false);
  }
  BlockRun run = run_of(memory_layer);
  train_project(
      context, block(memory_layer), run,
      saved_block(context, memory_layer, 0, false, residual(context, memory_layer, false)));
  flops += run.flops;
}

}  // namespace memlong::train
