// What a stream does token by token while it answers: decoding on a GPU or beside other streams,
// and what was measured.
#include <algorithm>

#include "engine/main_memory.h"
#include "engine/stream.h"

namespace memlong::engine {

const TensorView& Stream::logits() const {
  if (main_logits_.raw() == nullptr) {
    main_logits_ = in_main_memory(context_, logits_, host_logits_);
  }
  return main_logits_;
}

/// The last token that is there, within a segment that is open.
bool Stream::decodes(Want want) const {
  return decoder_ != nullptr && want == Want::last && read_ + 1 == size() && filled_ > 0 &&
         !is_boundary(read_);
}

void Stream::decode() {
  if (decoder_set_ != segment_.set) {
    take_measured();
    decoder_set_ = segment_.set;
    const bool empty = decoder_set_ == nullptr;
    decoder_->read_set(empty ? TensorView() : decoder_set_->k.view(),
                       empty ? TensorView() : decoder_set_->v.view());
  }
  const int64_t at = read_ - window_start_;
  decoder_->step({.id = tokens_.back(),
                  .position = filled_,
                  .measure = measuring_,
                  .hidden = hidden_.empty() ? TensorView() : hidden_.view().slice(0, at, at + 1),
                  .logits = logits_.reshape({1, model_->config.vocab})});
  known_ = read_ + 1;
  advance(1, 1);
  hand_out_chunks();
}

/// One token is unread, and its place is behind others of a window that is open.
bool Stream::joins() const {
  return unread() == 1 && filled_ > 0 && read_ - window_start_ < model_->window_capacity();
}

/// Where tokens of the segment that is open are measured in a pass for several streams.
backbone::MassProbe* Stream::probe_together() {
  if (!measuring_) return nullptr;
  if (together_set_ != segment_.set) take_measured();
  together_set_ = segment_.set;
  return &together_;
}

void Stream::measure_attention(bool on) {
  measuring_ = on;
  if (!on) return;
  measured_.clear();
  measured_rows_ = 0.0;
  together_ = {};
  if (decoder_ != nullptr) decoder_->forget_measured();
}

void Stream::add_measured(const backbone::MassProbe& probe, const Plan& plan) {
  measured_rows_ += static_cast<double>(probe.rows);
  for (size_t i = 0; i < probe.mass.size(); ++i) {
    Tensor kept;
    const float* mass = in_main_memory(context_, probe.mass[i], kept).data<float>();
    for (const RetrievedChunk& chunk : plan.sets[i]->chunks) {
      double sum = 0.0;
      for (int64_t token = 0; token < chunk.tokens; ++token) sum += *mass++;
      const auto same = [&chunk](const Measured& other) {
        return other.chunk.id == chunk.id && other.chunk.document == chunk.document &&
               other.chunk.begin == chunk.begin;
      };
      auto found = std::find_if(measured_.begin(), measured_.end(), same);
      if (found == measured_.end()) found = measured_.insert(found, {.chunk = chunk, .mass = 0.0});
      found->mass += sum;
      found->chunk.score = std::max(found->chunk.score, chunk.score);
    }
  }
}

/// What was added up token by token since the last time.
void Stream::take_measured() {
  if (together_.rows > 0) add_measured(together_, {.segments = {}, .sets = {together_set_}});
  together_ = {};
  if (decoder_ == nullptr || decoder_->probe().rows == 0) return;
  if (decoder_set_ == nullptr || decoder_set_->k.empty()) {
    measured_rows_ += static_cast<double>(decoder_->probe().rows);
  } else {
    add_measured(decoder_->probe(), {.segments = {}, .sets = {decoder_set_}});
  }
  decoder_->forget_measured();
}

std::vector<RetrievedChunk> Stream::measured() {
  take_measured();
  std::vector<RetrievedChunk> chunks;
  for (const Measured& measured : measured_) {
    chunks.push_back(measured.chunk);
    chunks.back().attention = measured_rows_ > 0 ? measured.mass / measured_rows_ : 0.0;
  }
  return chunks;
}

}  // namespace memlong::engine
