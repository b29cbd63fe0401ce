#include "engine/encoder.h"

#include <algorithm>
#include <utility>

#include "common/error.h"

namespace memlong::engine {
namespace {

/// So many steps wait at most, with what their calls hold.
constexpr size_t kMostWaiting = 4096;

}  // namespace

Encoder::Encoder(Context& context, std::shared_ptr<const LoadedModel> model,
                 std::shared_ptr<const retriever::Embedder> embedder, DType kv_dtype, Sink sink,
                 int64_t windows)
    : model_(std::move(model)),
      sink_(std::move(sink)),
      windows_(windows),
      encoder_(context, model_, std::move(embedder), kv_dtype) {}

void Encoder::begin(int64_t done) {
  buffer_.clear();
  window_start_ = 0;
  total_ = 0;
  emitted_ = done;
}

void Encoder::push(std::span<const int32_t> ids) {
  const auto capacity = static_cast<size_t>(model_->window_capacity());
  while (!ids.empty()) {
    // A window is read only when a token beyond it has come, so that the last one knows it is the
    // last.
    if (buffer_.size() == capacity) {
      add_window(model_->window_capacity(), false);
      buffer_.erase(buffer_.begin(), buffer_.begin() + model_->window_stride());
      window_start_ += model_->window_stride();
    }
    const size_t count = std::min(ids.size(), capacity - buffer_.size());
    buffer_.insert(buffer_.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
    ids = ids.subspan(count);
    total_ += static_cast<int64_t>(count);
  }
}

int64_t Encoder::finish(bool keep_tail) {
  if (!buffer_.empty()) add_window(static_cast<int64_t>(buffer_.size()), !keep_tail);
  buffer_.clear();
  if (windows_ == 1) flush();
  return total_;
}

void Encoder::add_window(int64_t count, bool last) {
  const int64_t tau = model_->settings.chunk;
  const int64_t end = window_start_ + count;
  WindowEncoder::Step step{.ids = {}, .start = window_start_, .chunks = {}, .call = {}};
  while (emitted_ + tau <= end) {
    step.chunks.push_back({emitted_, emitted_ + tau});
    emitted_ += tau;
  }
  if (last && emitted_ < end) {
    step.chunks.push_back({emitted_, end});
    emitted_ = end;
  }
  if (step.chunks.empty()) return;
  MEMLONG_CHECK(step.chunks.front().begin >= window_start_,
                "a chunk ends in a window that does not hold it");
  if (model_->settings.window_bos) step.ids.push_back(model_->config.bos);
  step.ids.insert(step.ids.end(), buffer_.begin(), buffer_.begin() + count);
  computed_ += count;

  const auto rows = static_cast<int64_t>(step.ids.size());
  const int64_t most = windows_ == 1 ? 0 : windows_ * model_->settings.window;
  if (rows_ > 0 && rows_ + rows > most) run();
  rows_ += rows;
  waiting_.push_back(std::move(step));
  if (rows_ >= most) run();
}

void Encoder::then(std::function<void()> fn) {
  if (waiting_.empty() && !encoder_.busy()) return fn();
  waiting_.push_back({.ids = {}, .start = 0, .chunks = {}, .call = std::move(fn)});
  if (waiting_.size() >= kMostWaiting) flush();
}

void Encoder::run() {
  rows_ = 0;
  encoder_.run(std::exchange(waiting_, {}), sink_);
}

void Encoder::flush() {
  if (!waiting_.empty()) run();
  if (encoder_.busy()) encoder_.finish(sink_);
}

}  // namespace memlong::engine
