#include "engine/stream.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "engine/main_memory.h"
#include "ops/copy.h"

namespace memlong::engine {
namespace {

bool any(const std::vector<float>& vector) {
  return std::any_of(vector.begin(), vector.end(), [](float value) { return value != 0.0F; });
}

}  // namespace

Stream::Stream(Context& context, std::shared_ptr<const LoadedModel> model,
               std::shared_ptr<const retriever::Embedder> embedder, SetSource& source,
               const StreamOptions& options)
    : context_(context),
      model_(std::move(model)),
      embedder_(std::move(embedder)),
      source_(source),
      options_(options),
      cache_(context, model_->config, model_->config.layers, model_->settings.window,
             model_->weights->dtype),
      chunk_rows_(context) {
  const model::ModelConfig& config = model_->config;
  const Shape raw{config.kv_heads, model_->settings.window, config.head_dim};
  raw_k_ = Tensor(raw, model_->weights->dtype, context.device());
  raw_v_ = Tensor(raw, model_->weights->dtype, context.device());
  if (embedder_->needs_hidden()) {
    hidden_ = Tensor({model_->settings.window, config.hidden}, DType::f32, context.device());
  }
  if (context.device() == Device::cuda) {
    decoder_ = std::make_unique<Decoder>(
        context, model_, DecoderPlaces{.cache = &cache_, .raw_k = raw_k_, .raw_v = raw_v_});
  }
  open_window(std::max<int64_t>(options_.first_window, 0));
}

void Stream::restore(std::vector<int32_t> tokens, std::vector<AnswerSpan> spans,
                     int64_t completed) {
  tokens_ = std::move(tokens);
  spans_ = std::move(spans);
  completed_ = completed;
  const bool one_window = options_.first_window >= 0;
  open_window(one_window ? std::min(options_.first_window, size()) : model_->window_of(size()));
}

void Stream::open_window(int64_t start) {
  window_start_ = start;
  read_ = start;
  known_ = start;
  filled_ = 0;
  writer_alone_ = false;
  segment_ = {};
  if (!embedder_->needs_hidden()) return;
  // Their vectors came from another window: a stream that is taken up here could not know them.
  for (AnswerSpan& span : spans_) span.query.clear();
}

void Stream::read(std::span<const int32_t> ids, Want want) {
  const int64_t fresh_from = size();
  tokens_.insert(tokens_.end(), ids.begin(), ids.end());
  read_pending(fresh_from, want);
}

void Stream::append(std::span<const int32_t> ids) {
  tokens_.insert(tokens_.end(), ids.begin(), ids.end());
}

void Stream::catch_up() { read_pending(size(), Want::nothing); }

void Stream::read_window(int64_t most) {
  logit_rows_ = 0;
  if (unread() > 0) read_next(size(), Want::nothing, most > 0 ? most : unread());
  if (unread() == 0) hand_out_chunks();
}

void Stream::read_pending(int64_t fresh_from, Want want) {
  if (want != Want::nothing && size() > fresh_from) make_logits(fresh_from, want);
  while (read_ < size()) read_next(fresh_from, want, size() - read_);
  hand_out_chunks();
}

/// Room for them.
void Stream::make_logits(int64_t fresh_from, Want want) {
  const int64_t rows = want == Want::last ? 1 : size() - fresh_from;
  const int64_t vocab = model_->config.vocab;
  if (logit_buffer_.empty() || logit_buffer_.dim(0) < rows) {
    logit_buffer_ = Tensor({rows, vocab}, DType::f32, context_.device());
  }
  logits_ = logit_buffer_.view().slice(0, 0, rows);
  if (want == Want::last) logits_ = logits_.reshape({vocab});
  logit_rows_ = 0;
  main_logits_ = {};
}

/// As far as one window reaches, at most `most` tokens.
void Stream::read_next(int64_t fresh_from, Want want, int64_t most) {
  if (read_ - window_start_ == model_->window_capacity()) {
    MEMLONG_CHECK(options_.first_window < 0, "more tokens than the one window holds");
    open_window(window_start_ + model_->window_stride());
  }
  const int64_t room = model_->window_capacity() - (read_ - window_start_);
  if (decodes(want)) {
    decode();
  } else {
    read_piece(std::min({room, size() - read_, most}), fresh_from, want);
  }
}

void Stream::read_piece(int64_t count, int64_t fresh_from, Want want) {
  const int64_t lead = filled_ == 0 && model_->settings.window_bos ? 1 : 0;
  const int64_t rows = lead + count;
  std::vector<int32_t> ids;
  if (lead > 0) ids.push_back(model_->config.bos);
  ids.insert(ids.end(), tokens_.begin() + read_, tokens_.begin() + read_ + count);

  const TensorView x = context_.scratch("stream.x", {rows, model_->config.hidden}, DType::f32);
  model_->writer->forward(context_, ids, cache_, filled_, x);
  lower_done(x, lead);

  // A window that is full and left behind in this very call needs no upper layers.
  const bool left_behind = size() > window_start_ + model_->window_capacity();
  const bool unwanted = want != Want::all || known_ <= fresh_from;
  if (left_behind && unwanted && !measuring_) {
    writer_alone_ = true;
    model_->writer->keys_values(context_, x, raw_k_.view().slice(1, filled_, filled_ + rows),
                                raw_v_.view().slice(1, filled_, filled_ + rows));
  } else {
    read_upper(x, lead);
  }
  keep_logits(x, lead, fresh_from, want);
  advance(count, rows);
  // In main memory, and where vectors come from hidden states, the next pass would write over them.
  if (context_.device() == Device::cpu || embedder_->needs_hidden()) hand_out_chunks();
}

/// The layers below have read the next tokens, rows of x [lead + count, C].
void Stream::lower_done(const TensorView& x, int64_t lead) {
  const int64_t count = x.dim(0) - lead;
  if (!hidden_.empty()) {
    const int64_t at = read_ - window_start_;
    ops::copy(context_, x.slice(0, lead, x.dim(0)), hidden_.view().slice(0, at, at + count));
  }
  known_ = read_ + count;
  hand_out_chunks();  // of the pass before, while a GPU is at the layers below
}

/// The network has read the next `count` tokens, `rows` of the window.
void Stream::advance(int64_t count, int64_t rows) {
  read_ += count;
  filled_ += rows;
  send_chunks();
}

void Stream::read_upper(const TensorView& x, int64_t lead) {
  const int64_t rows = x.dim(0);
  const Plan plan = plan_segments(read_, rows - lead, lead);
  backbone::MassProbe probe;
  model_->side_net->forward(context_, cache_,
                            {.x = x,
                             .offset = filled_,
                             .memory = plan.segments,
                             .raw_k = raw_k_.view().slice(1, filled_, filled_ + rows),
                             .raw_v = raw_v_.view().slice(1, filled_, filled_ + rows),
                             .probe = measuring_ ? &probe : nullptr});
  if (measuring_) add_measured(probe, plan);
}

void Stream::keep_logits(const TensorView& x, int64_t lead, int64_t fresh_from, Want want) {
  const int64_t rows = x.dim(0);
  if (want == Want::last && known_ == size()) {
    const TensorView row = logits_.reshape({1, model_->config.vocab});
    model_->side_net->logits(context_, x.slice(0, rows - 1, rows), row);
  } else if (want == Want::all) {
    // A new window reads tokens again whose logits are there already.
    const int64_t next = fresh_from + logit_rows_;
    const int64_t first = lead + std::max<int64_t>(0, next - read_);
    if (first >= rows) return;
    const int64_t count = rows - first;
    model_->side_net->logits(context_, x.slice(0, first, rows),
                             logits_.slice(0, logit_rows_, logit_rows_ + count));
    logit_rows_ += count;
  }
}

bool Stream::is_boundary(int64_t position) const {
  return is_retrieval_point(spans_, position, window_start_, model_->settings.chunk);
}

Stream::Plan Stream::plan_segments(int64_t begin, int64_t count, int64_t lead) {
  Plan plan;
  if (!options_.use_memory) return plan;
  int64_t row = 0;
  for (int64_t position = begin; position < begin + count;) {
    if (is_boundary(position)) open_segment(position);
    int64_t next = position + 1;
    while (next < begin + count && !is_boundary(next)) ++next;
    const int64_t end = lead + next - begin;
    if (segment_.set == nullptr || segment_.set->k.empty()) {
      // reads nothing
    } else if (!plan.sets.empty() && plan.segments.back().end == row &&
               plan.sets.back() == segment_.set) {
      plan.segments.back().end = end;  // one pass over the set for all of its rows
    } else {
      plan.segments.push_back(
          {.begin = row, .end = end, .k = segment_.set->k, .v = segment_.set->v});
      plan.sets.push_back(segment_.set);
    }
    row = end;
    position = next;
  }
  return plan;
}

void Stream::open_segment(int64_t position) {
  const SetRequest request = request_at(position);
  segment_ = {.position = position, .window_start = window_start_, .set = nullptr};
  if (!request.queries.empty()) segment_.set = source_.retrieve(request);
  if (on_segment_) on_segment_(segment_);
}

SetRequest Stream::request_at(int64_t position) {
  const model::MemorySettings& settings = model_->settings;
  const int64_t tau = settings.chunk;
  SetRequest request{.queries = {}, .window_start = window_start_, .as_text = true};
  const auto add = [&request](std::vector<float> query) {
    if (any(query)) request.queries.push_back(std::move(query));
  };
  if (options_.self_query) {
    const int64_t end = std::min(known_, (position / tau + 1) * tau);
    add(embed(position, end));
    return request;
  }
  const RetrievalQueries asked = queries_at(spans_, position, tau, settings.query_chunks);
  if (asked.span >= 0) {
    AnswerSpan& span = spans_[static_cast<size_t>(asked.span)];
    if (span.query.empty()) span.query = embed(span.query_begin, span.query_end);
    add(span.query);
  }
  if (asked.message_alone && !request.queries.empty()) {
    request.as_text = false;
  } else if (const int64_t begin = std::max(asked.text.begin, options_.asks_from);
             begin < asked.text.end) {
    add(embed(begin, asked.text.end));
  }
  return request;
}

std::vector<float> Stream::embed(int64_t begin, int64_t end) {
  std::vector<float> vector(static_cast<size_t>(embedder_->dim()), 0.0F);
  TensorView hidden;
  Tensor kept;
  if (embedder_->needs_hidden()) {
    // Of what the window does not hold, only vectors of chunks are known: the last one's.
    const int64_t last = end - model_->settings.chunk;
    if (begin <= last && last < window_start_) {
      std::vector<float> known = source_.known_vector(last);
      if (!known.empty()) return known;
    }
    begin = std::max(begin, window_start_);
    end = std::min(end, known_);
    if (begin >= end) return vector;
    hidden = in_main_memory(
        context_, hidden_.view().slice(0, begin - window_start_, end - window_start_), kept);
  }
  const std::span<const int32_t> ids(tokens_.data() + begin, static_cast<size_t>(end - begin));
  embedder_->embed(ids, hidden, vector);
  return vector;
}

/// Chunks that are complete start on their way to main memory.
void Stream::send_chunks() {
  const int64_t tau = model_->settings.chunk;
  const int64_t whole = (read_ - completed_) / tau * tau;
  if (options_.first_window >= 0 || whole <= 0) return;
  MEMLONG_CHECK(completed_ >= window_start_, "a chunk ends in a window that does not hold it");
  MEMLONG_CHECK(sent_ == 0, "chunks on their way were forgotten");
  const int64_t lead = model_->settings.window_bos ? 1 : 0;
  const int64_t first = completed_ - window_start_ + lead;
  chunk_rows_.take(raw_k_.view().slice(1, first, first + whole),
                   raw_v_.view().slice(1, first, first + whole), options_.kv_dtype);
  sent_ = whole;
}

/// Those that were sent go to the source.
void Stream::hand_out_chunks() {
  const int64_t tau = model_->settings.chunk;
  const int64_t whole = std::exchange(sent_, 0);
  for (int64_t row = 0; row < whole; row += tau) {
    EncodedChunk chunk;
    chunk.begin = completed_;
    chunk.ids.assign(tokens_.begin() + completed_, tokens_.begin() + completed_ + tau);
    chunk.vector = embed(completed_, completed_ + tau);
    round_as_stored(chunk.vector);
    HostRows::Cut kv = chunk_rows_.cut(row, row + tau);
    chunk.k = std::move(kv.k);
    chunk.v = std::move(kv.v);
    source_.completed(std::move(chunk));
    completed_ += tau;
  }
}

void Stream::drop_last(int64_t count) {
  MEMLONG_CHECK(options_.first_window < 0, "a stream of one window takes nothing back");
  hand_out_chunks();  // there are some where a read failed
  tokens_.resize(tokens_.size() - static_cast<size_t>(count));
  while (completed_ > size()) {
    completed_ -= model_->settings.chunk;
    source_.dropped(completed_);
  }
  if (read_ <= size()) return;
  const bool stands = window_start_ == model_->window_of(size()) && !writer_alone_;
  if (stands && segment_.position < size()) {
    step_back(size());
  } else {
    open_window(model_->window_of(size()));
    read_pending(size(), Want::nothing);
  }
}

/// Tokens of the window from `position` on are to be read again.
void Stream::step_back(int64_t position) {
  if (read_ <= position) return;
  MEMLONG_CHECK(position >= window_start_, "a window steps back within itself");
  filled_ -= read_ - position;
  read_ = position;
  known_ = position;
}

void Stream::read_last_again() {
  step_back(size() - 1);
  read_pending(size() - 1, Want::last);
}

void Stream::begin_answer(int64_t query_begin, int64_t query_end, int64_t marks) {
  MEMLONG_CHECK(query_begin <= query_end && query_end <= size(), "an answer to what was said");
  spans_.push_back(next_span(spans_, size() - marks, query_begin, query_end));
  step_back(std::max(window_start_, spans_.back().from));
}

void Stream::withdraw_answer() {
  MEMLONG_CHECK(!spans_.empty() && spans_.back().end < 0, "an answer that was begun");
  spans_.pop_back();
  open_window(window_start_);
}

void Stream::end_answer() {
  if (!spans_.empty() && spans_.back().end < 0) spans_.back().end = size();
}

}  // namespace memlong::engine
