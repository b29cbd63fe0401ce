// Between an exchange's owner, on any thread, and the connection that sends the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/exchange.h"

namespace memlong::http {

/// What the connection can send next.
struct ReplyPart {
  std::optional<Response> head;  ///< not yet taken before
  bool whole = false;            ///< the head has the body, and nothing follows
  std::string bytes;             ///< of the stream
  bool ended = false;            ///< nothing follows
  bool failed = false;           ///< nothing follows, and the stream is not complete
  bool overflown = false;  ///< more than max_pending waited: it was dropped, as is all that follows
};

/// Thread-safe. The first half is the owner's and is described in exchange.h; the second is the
/// connection's. `wake` is called on the owner's thread when there is something new to take; it
/// must not block, call the channel or throw.
class ReplyChannel {
 public:
  ReplyChannel(std::shared_ptr<const Request> request, size_t max_pending,
               std::function<void()> wake);

  [[nodiscard]] const Request& request() const { return *request_; }
  void respond(Response response);
  void begin(Response head);
  void write(std::string piece);
  void end();
  void fail();
  void abandon();  ///< the last reference has gone
  [[nodiscard]] bool gone() const;
  void on_gone(std::function<void()> fn);

  [[nodiscard]] ReplyPart take();
  /// The last call: no wake() from here on, and what the owner says is dropped. Not `delivered`:
  /// the client has gone, and the owner is told unless the answer was complete.
  void close(bool delivered);

 private:
  enum class State : uint8_t { open, streaming, complete, failed };

  void answer_whole(Response response);
  void finish(State state);
  void notify();
  [[nodiscard]] bool complete() const {
    return state_ != State::open && state_ != State::streaming;
  }
  static void misused(const char* what);

  const std::shared_ptr<const Request> request_;
  const size_t max_pending_;
  mutable std::mutex mutex_;
  std::function<void()> wake_;
  std::vector<std::function<void()>> on_gone_;
  std::optional<Response> head_;
  std::string bytes_;
  State state_ = State::open;
  bool whole_ = false;
  bool closed_ = false;
  bool gone_ = false;
  bool overflown_ = false;
  bool notified_ = false;
};

/// What a handler gets: abandons the channel when it goes.
std::shared_ptr<Exchange> make_exchange(std::shared_ptr<ReplyChannel> channel);

}  // namespace memlong::http
