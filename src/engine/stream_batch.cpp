#include "engine/stream_batch.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "common/error.h"
#include "ops/copy.h"

namespace memlong::engine {
namespace {

/// Runs `fn`; what it throws is kept, where nothing was before. Whether it threw nothing.
template <class Fn>
bool attempt(std::exception_ptr& error, Fn&& fn) {
  try {
    fn();
    return true;
  } catch (...) {
    if (error == nullptr) error = std::current_exception();
    return false;
  }
}

/// A stream and what has failed for it.
struct Reader {
  Stream* stream;
  std::exception_ptr* error;
};

}  // namespace

/// One pass of the network over the unread tokens of some streams.
class StreamBatch {
 public:
  explicit StreamBatch(Context& context) : context_(context) {}

  static bool joins(const Stream& stream) { return stream.joins(); }
  static void read_alone(Stream& stream) { stream.read_pending(stream.size() - 1, Want::last); }
  static void check(const Context& context, std::span<Stream* const> streams);

  void read(std::span<const Reader> readers);

 private:
  struct Row {
    Stream* stream;
    std::exception_ptr* error;
    Stream::Plan plan = {};  ///< what its token reads
  };

  [[nodiscard]] const LoadedModel& model() const { return *rows_[0].stream->model_; }
  [[nodiscard]] TensorView row(size_t i) const {
    return x_.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1);
  }
  void pass();
  void read_lower();
  void plan_rows();
  void drop(size_t i);
  void read_upper();
  void keep_logits();
  void finish();

  Context& context_;
  std::vector<Row> rows_;
  TensorView x_;  ///< [N, C] f32
};

void StreamBatch::check(const Context& context, std::span<Stream* const> streams) {
  for (size_t i = 0; i < streams.size(); ++i) {
    MEMLONG_CHECK(&streams[i]->context_ == &context && streams[i]->model_ == streams[0]->model_,
                  "streams that are read together are of one model and context");
    MEMLONG_CHECK(std::find(streams.begin(), streams.begin() + static_cast<int64_t>(i),
                            streams[i]) == streams.begin() + static_cast<int64_t>(i),
                  "a stream reads one token at a time");
  }
}

void StreamBatch::read(std::span<const Reader> readers) {
  for (const Reader& reader : readers) rows_.push_back({reader.stream, reader.error});
  std::exception_ptr error;
  if (!attempt(error, [&] { pass(); })) {
    for (const Row& row : rows_) *row.error = error;
  }
}

void StreamBatch::pass() {
  read_lower();
  plan_rows();
  if (rows_.empty()) return;
  read_upper();
  keep_logits();
  finish();
}

void StreamBatch::read_lower() {
  std::vector<int32_t> ids;
  std::vector<backbone::TokenPlace> tokens;
  for (const auto& [stream, error, plan] : rows_) {
    ids.push_back(stream->tokens_.back());
    tokens.push_back({.cache = &stream->cache_, .position = stream->filled_});
  }
  x_ = context_.scratch("together.x", {static_cast<int64_t>(ids.size()), model().config.hidden},
                        DType::f32);
  model().writer->forward_tokens(context_, ids, tokens, x_);
}

/// Opens segments. Streams that fail there leave the pass.
void StreamBatch::plan_rows() {
  for (size_t i = 0; i < rows_.size();) {
    Stream& stream = *rows_[i].stream;
    const bool planned = attempt(*rows_[i].error, [&] {
      stream.make_logits(stream.read_, Want::last);
      stream.lower_done(row(i), 0);
      rows_[i].plan = stream.plan_segments(stream.read_, 1, 0);
    });
    if (planned) {
      ++i;
    } else {
      drop(i);
    }
  }
}

/// The last row takes its place.
void StreamBatch::drop(size_t i) {
  const size_t last = rows_.size() - 1;
  if (i < last) {
    ops::copy(context_, row(last), row(i));
    rows_[i] = std::move(rows_[last]);
  }
  rows_.pop_back();
  x_ = x_.slice(0, 0, static_cast<int64_t>(last));
}

void StreamBatch::read_upper() {
  std::vector<backbone::TokenPlace> tokens;
  for (const auto& [stream, error, plan] : rows_) {
    const int64_t at = stream->filled_;
    tokens.push_back({.cache = &stream->cache_,
                      .position = at,
                      .memory = plan.segments,
                      .raw_k = stream->raw_k_.view().slice(1, at, at + 1),
                      .raw_v = stream->raw_v_.view().slice(1, at, at + 1),
                      .probe = stream->probe_together()});
  }
  model().side_net->forward_tokens(context_, tokens, x_);
}

void StreamBatch::keep_logits() {
  const int64_t vocab = model().config.vocab;
  const TensorView logits = context_.scratch("together.logits", {x_.dim(0), vocab}, DType::f32);
  model().side_net->logits(context_, x_, logits);
  std::vector<ops::CopyPair> pairs;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    pairs.push_back({logits.slice(0, at, at + 1).reshape({vocab}), rows_[i].stream->logits_});
  }
  ops::copy(context_, pairs);
}

/// All chunks are on their way before the first is waited for.
void StreamBatch::finish() {
  for (const Row& row : rows_) attempt(*row.error, [&] { row.stream->advance(1, 1); });
  for (const Row& row : rows_) attempt(*row.error, [&] { row.stream->hand_out_chunks(); });
}

std::vector<std::exception_ptr> read_together(Context& context, std::span<Stream* const> streams,
                                              std::span<const int32_t> ids) {
  MEMLONG_CHECK(streams.size() == ids.size(), "a token for each stream");
  StreamBatch::check(context, streams);
  std::vector<std::exception_ptr> errors(streams.size());
  std::vector<Reader> together;
  std::vector<Reader> alone;
  for (size_t i = 0; i < streams.size(); ++i) {
    streams[i]->append(ids.subspan(i, 1));
    (StreamBatch::joins(*streams[i]) ? together : alone).push_back({streams[i], &errors[i]});
  }
  if (together.size() < 2) {
    alone.insert(alone.end(), together.begin(), together.end());
    together.clear();
  }
  if (!together.empty()) StreamBatch(context).read(together);
  for (const Reader& reader : alone) {
    attempt(*reader.error, [&] { StreamBatch::read_alone(*reader.stream); });
  }
  return errors;
}

}  // namespace memlong::engine
