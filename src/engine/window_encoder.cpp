#include "engine/window_encoder.h"

#include <algorithm>
#include <utility>

namespace memlong::engine {
namespace {

/// Rows of a span, where the window's rows begin at `first`.
WindowEncoder::Span rows_of(const WindowEncoder::Step& step, const WindowEncoder::Span& span,
                            int64_t first, int64_t lead) {
  const int64_t shift = first + lead - step.start;
  return {span.begin + shift, span.end + shift};
}

}  // namespace

WindowEncoder::WindowEncoder(Context& context, std::shared_ptr<const LoadedModel> model,
                             std::shared_ptr<const retriever::Embedder> embedder, DType kv_dtype)
    : context_(context),
      model_(std::move(model)),
      embedder_(std::move(embedder)),
      kv_dtype_(kv_dtype),
      chunk_rows_(context),
      copies_(context) {}

void WindowEncoder::run(std::vector<Step> steps, const Sink& sink) {
  const TensorView x = read(steps);
  if (context_.device() == Device::cpu) return hand_out_rows(steps, x, sink);
  const size_t before = std::exchange(current_, 1 - current_);
  if (!x.empty()) send_down(x);
  // The GPU works on these while the chunks of those before are made.
  steps.swap(running_);
  hand_out_sent(steps, slots_[before], sink);
}

void WindowEncoder::finish(const Sink& sink) {
  const std::vector<Step> steps = std::exchange(running_, {});
  hand_out_sent(steps, slots_[current_], sink);
}

/// The memory layer's input of all windows, [T, C]; empty where there is no window.
TensorView WindowEncoder::read(const std::vector<Step>& steps) {
  std::vector<int32_t> ids;
  std::vector<int64_t> lengths;
  for (const Step& step : steps) {
    if (step.ids.empty()) continue;
    ids.insert(ids.end(), step.ids.begin(), step.ids.end());
    lengths.push_back(static_cast<int64_t>(step.ids.size()));
  }
  if (ids.empty()) return {};
  // What comes down beside the next batch must not be written over by it.
  const bool other =
      context_.device() == Device::cuda && embedder_->needs_hidden() && current_ == 1;
  const TensorView x =
      context_.scratch(other ? "encoder.x.other" : "encoder.x",
                       {static_cast<int64_t>(ids.size()), model_->config.hidden}, DType::f32);
  model_->writer->forward_windows(context_, ids, lengths, x);
  return x;
}

/// One product and one copy for the rows of all windows.
void WindowEncoder::send_down(const TensorView& x) {
  Slot& slot = slots_[current_];
  const model::ModelConfig& config = model_->config;
  slot.rows.begin(context_, config.kv_heads, x.dim(0), config.head_dim, kv_dtype_);
  model_->writer->keys_values(context_, x, slot.rows.keys(), slot.rows.values());
  if (embedder_->needs_hidden()) {
    slot.hidden = slot.hidden_buffer.room(context_, x.shape(), x.dtype());
    copies_.follow();
    copies_.copy(x, slot.hidden);
  }
  slot.rows.send(context_, copies_);
}

/// In main memory: one product for the rows of all windows, from which chunks are cut.
void WindowEncoder::hand_out_rows(const std::vector<Step>& steps, const TensorView& x,
                                  const Sink& sink) {
  if (!x.empty()) {
    const Shape shape{model_->config.kv_heads, x.dim(0), model_->config.head_dim};
    const TensorView k = context_.scratch("encoder.k", shape, model_->weights->dtype);
    const TensorView v = context_.scratch("encoder.v", shape, model_->weights->dtype);
    model_->writer->keys_values(context_, x, k, v);
    chunk_rows_.take(k, v, kv_dtype_);
  }
  int64_t first = 0;
  for (const Step& step : steps) {
    for (const Span& span : step.chunks) {
      const Span rows = rows_of(step, span, first, model_->settings.window_bos ? 1 : 0);
      EncodedChunk chunk = chunk_of(step, span, x.slice(0, rows.begin, rows.end));
      HostRows::Cut cut = chunk_rows_.cut(rows.begin, rows.end);
      chunk.k = std::move(cut.k);
      chunk.v = std::move(cut.v);
      sink(std::move(chunk));
    }
    first += static_cast<int64_t>(step.ids.size());
    if (step.call) step.call();
  }
}

void WindowEncoder::hand_out_sent(const std::vector<Step>& steps, Slot& slot, const Sink& sink) {
  int64_t first = 0;
  for (const Step& step : steps) {
    for (const Span& span : step.chunks) {
      const Span rows = rows_of(step, span, first, model_->settings.window_bos ? 1 : 0);
      HostRows::Cut cut = slot.rows.cut(rows.begin, rows.end);  // waits, so it comes first
      const TensorView hidden =
          embedder_->needs_hidden() ? slot.hidden.slice(0, rows.begin, rows.end) : TensorView();
      EncodedChunk chunk = chunk_of(step, span, hidden);
      chunk.k = std::move(cut.k);
      chunk.v = std::move(cut.v);
      sink(std::move(chunk));
    }
    first += static_cast<int64_t>(step.ids.size());
    if (step.call) step.call();
  }
}

/// All but K and V.
EncodedChunk WindowEncoder::chunk_of(const Step& step, const Span& span,
                                     const TensorView& hidden) const {
  const int64_t lead = model_->settings.window_bos ? 1 : 0;
  const auto first = step.ids.begin() + (lead + span.begin - step.start);
  EncodedChunk chunk;
  chunk.begin = span.begin;
  chunk.ids.assign(first, first + (span.end - span.begin));
  chunk.vector.resize(static_cast<size_t>(embedder_->dim()));
  embedder_->embed(chunk.ids, embedder_->needs_hidden() ? hidden : TensorView(), chunk.vector);
  round_as_stored(chunk.vector);
  return chunk;
}

}  // namespace memlong::engine
