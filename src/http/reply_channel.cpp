#include "http/reply_channel.h"

#include <exception>
#include <utility>

#include "common/log.h"

namespace memlong::http {
namespace {

class ChannelExchange final : public Exchange {
 public:
  explicit ChannelExchange(std::shared_ptr<ReplyChannel> channel) : channel_(std::move(channel)) {}
  ChannelExchange(const ChannelExchange&) = delete;
  ChannelExchange& operator=(const ChannelExchange&) = delete;
  ~ChannelExchange() override { channel_->abandon(); }
  [[nodiscard]] const Request& request() const override { return channel_->request(); }
  void respond(Response response) override { channel_->respond(std::move(response)); }
  void begin(Response head) override { channel_->begin(std::move(head)); }
  void write(std::string piece) override { channel_->write(std::move(piece)); }
  void end() override { channel_->end(); }
  void fail() override { channel_->fail(); }
  [[nodiscard]] bool gone() const override { return channel_->gone(); }
  void on_gone(std::function<void()> fn) override { channel_->on_gone(std::move(fn)); }

 private:
  std::shared_ptr<ReplyChannel> channel_;
};

}  // namespace

ReplyChannel::ReplyChannel(std::shared_ptr<const Request> request, size_t max_pending,
                           std::function<void()> wake)
    : request_(std::move(request)), max_pending_(max_pending), wake_(std::move(wake)) {}

void ReplyChannel::misused(const char* what) {
  log::error(std::string("internal error: an answer's ") + what +
             " is out of order; it is dropped");
}

// The functions below whose names say nothing of a lock are called with mutex_ held.

void ReplyChannel::notify() {
  if (notified_) return;
  notified_ = true;
  wake_();
}

void ReplyChannel::finish(State state) {
  state_ = state;
  notify();
}

void ReplyChannel::answer_whole(Response response) {
  head_ = std::move(response);
  whole_ = true;
  finish(State::complete);
}

void ReplyChannel::respond(Response response) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  if (state_ == State::open) return answer_whole(std::move(response));
  misused("respond()");
  if (state_ == State::streaming) finish(State::failed);
}

void ReplyChannel::begin(Response head) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  if (state_ != State::open) return misused("begin()");
  head.body.clear();
  head_ = std::move(head);
  state_ = State::streaming;
  notify();
}

void ReplyChannel::write(std::string piece) {
  const std::scoped_lock lock(mutex_);
  if (closed_ || overflown_) return;
  if (state_ != State::streaming) return misused("write()");
  if (piece.empty()) return;
  if (bytes_.empty()) {
    bytes_ = std::move(piece);
  } else if (bytes_.size() + piece.size() <= max_pending_) {
    bytes_ += piece;
  } else {
    overflown_ = true;
    bytes_ = {};
  }
  notify();
}

void ReplyChannel::end() {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  if (state_ != State::streaming) return misused("end()");
  finish(State::complete);
}

void ReplyChannel::fail() {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  if (state_ == State::open)
    return answer_whole(error_response(500, "the answer failed; the server's log says more"));
  if (state_ != State::streaming) return misused("fail()");
  finish(State::failed);
}

void ReplyChannel::abandon() {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  if (state_ == State::open)
    answer_whole(error_response(500, "the server failed on this request; its log says more"));
  if (state_ == State::streaming) finish(State::failed);
}

bool ReplyChannel::gone() const {
  const std::scoped_lock lock(mutex_);
  return gone_;
}

void ReplyChannel::on_gone(std::function<void()> fn) {
  {
    const std::scoped_lock lock(mutex_);
    if (!gone_) {
      if (!closed_ && !complete()) on_gone_.push_back(std::move(fn));
      return;
    }
  }
  fn();
}

ReplyPart ReplyChannel::take() {
  const std::scoped_lock lock(mutex_);
  notified_ = false;
  ReplyPart part;
  part.head = std::exchange(head_, std::nullopt);
  part.whole = whole_;
  part.bytes = std::exchange(bytes_, {});
  part.failed = state_ == State::failed;
  part.ended = complete();
  part.overflown = overflown_;
  return part;
}

void ReplyChannel::close(bool delivered) {
  std::vector<std::function<void()>> to_call;  // destroyed without the lock, too
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    gone_ = !delivered;
    wake_ = nullptr;
    head_.reset();
    bytes_ = {};
    to_call.swap(on_gone_);
    if (delivered || complete()) return;
  }
  for (const auto& fn : to_call) {
    try {
      fn();
    } catch (const std::exception& error) {
      log::error(std::string("what was to run when a client left failed: ") + error.what());
    }
  }
}

std::shared_ptr<Exchange> make_exchange(std::shared_ptr<ReplyChannel> channel) {
  return std::make_shared<ChannelExchange>(std::move(channel));
}

}  // namespace memlong::http
