#include "engine/decoder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "ops/attention.h"
#include "ops/copy.h"

namespace memlong::engine {

Decoder::Decoder(Context& context, std::shared_ptr<const LoadedModel> model,
                 const DecoderPlaces& places)
    : context_(context), model_(std::move(model)), places_(places), records_(context.records()) {
  const Shape row{1, model_->config.hidden};
  context.activate();
  token_ = Tensor({2}, DType::i32, context.device());
  x_ = Tensor(row, DType::f32, context.device());
  hidden_ = Tensor(row, DType::f32, context.device());
}

/// For a set, and for larger ones that will come. What was recorded knows other places.
void Decoder::make_room(int64_t groups, int64_t tokens, int64_t dim) {
  const int64_t row = groups * dim;
  const bool same_mass = !probe_.mass.empty() && probe_.mass[0].dim(0) == tokens;
  const bool large_enough = !set_.empty() && set_.dim(1) >= tokens * row;
  if (same_mass && large_enough) return;
  graph_ = {};
  seen_.reset();
  context_.activate();
  if (!large_enough) {
    const model::MemorySettings& settings = model_->settings;
    const int64_t most = std::max(tokens, settings.set_chunks() * settings.chunk);
    set_ = Tensor({2, most * row}, model_->weights->dtype, context_.device());
  }
  probe_.mass.clear();
  probe_.mass.emplace_back(Shape{tokens}, DType::f32, context_.device());
  zeros_ = Tensor::zeros({tokens}, DType::f32, context_.device());
}

void Decoder::read_set(const TensorView& k, const TensorView& v) {
  k_ = v_ = {};
  if (!k.empty()) {
    make_room(k.dim(0), k.dim(1), k.dim(2));
    const auto half = [&](int64_t i) {
      return set_.view().slice(0, i, i + 1).slice(1, 0, k.elements()).reshape(k.shape());
    };
    k_ = half(0);
    v_ = half(1);
    ops::copy(context_, k, k_);
    ops::copy(context_, v, v_);
  }
  forget_measured();
}

void Decoder::forget_measured() {
  probe_.rows = 0;
  if (!probe_.mass.empty()) ops::copy(context_, zeros_, probe_.mass[0]);
}

Decoder::Key Decoder::key_of(const DecoderCall& call) const {
  const int64_t memory = k_.empty() ? 0 : k_.dim(1);
  const int64_t local = call.position + 1;
  return {.memory = memory,
          .memory_plan = (memory + local) / ops::kAttentionPlanKeys,
          .local_plan = local / ops::kAttentionPlanKeys,
          .measure = call.measure,
          .logits = call.logits.raw(),
          .scratch = context_.scratch_changes()};
}

/// All of it on the device, and nothing that changes from token to token.
void Decoder::queue(const DecoderCall& call) {
  const TensorView id = token_.view().slice(0, 0, 1);
  const TensorView position = token_.view().slice(0, 1, 2);
  model_->writer->forward(context_, id, *places_.cache, call.position, position, x_);
  if (!call.hidden.empty()) ops::copy(context_, x_, hidden_);
  const ops::MemorySegment segment{.begin = 0, .end = 1, .k = k_, .v = v_};
  const int64_t rows_before = probe_.rows;
  model_->side_net->forward(context_, *places_.cache,
                            {.x = x_,
                             .offset = call.position,
                             .memory = std::span(&segment, k_.empty() ? 0 : 1),
                             .raw_k = places_.raw_k,
                             .raw_v = places_.raw_v,
                             .probe = call.measure ? &probe_ : nullptr,
                             .position = position});
  rows_of_step_ = probe_.rows - rows_before;
  model_->side_net->logits(context_, x_, call.logits);
}

/// Where that cannot be done, it is not tried again.
bool Decoder::record(const DecoderCall& call) {
  const int64_t rows = probe_.rows;
  graph_ = {};
  recorded_ = key_of(call);
  try {
    graph_ = Graph::record(context_, [&] { queue(call); });
    MEMLONG_CHECK(recorded_ == key_of(call), "scratch memory grew while a token was recorded");
  } catch (const Error& error) {
    log::warn(std::string("tokens are decoded kernel by kernel: ") + error.what());
    graph_ = {};
    records_ = false;
  }
  probe_.rows = rows;
  return records_;
}

/// The first token of its kind is not recorded: it makes all that is made on first use.
bool Decoder::launch(const DecoderCall& call) {
  if (!records_) return false;
  const Key key = key_of(call);
  if (graph_.empty() || key != recorded_) {
    if (seen_ != key || !record(call)) return false;
  }
  graph_.launch(context_);
  probe_.rows += rows_of_step_;
  ++launched_;
  return true;
}

void Decoder::step(const DecoderCall& call) {
  MEMLONG_CHECK(call.id >= 0 && call.id < model_->config.vocab, "a token outside the vocabulary");
  MEMLONG_CHECK(call.position > 0 && call.position < places_.cache->window(),
                "a token outside the window");
  std::array<int32_t, 2> token = {call.id, static_cast<int32_t>(call.position)};
  ops::copy(context_, TensorView(token.data(), DType::i32, {2}), token_);
  if (!launch(call)) {
    queue(call);
    seen_ = key_of(call);
  }
  if (!call.hidden.empty()) ops::copy(context_, hidden_, call.hidden);
}

}  // namespace memlong::engine
