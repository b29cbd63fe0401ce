// One request and the way back.
#pragma once

#include <functional>
#include <string>

#include "http/message.h"

namespace memlong::http {

/// Thread-safe, but one thread at a time says what is answered; nothing blocks, nothing throws but
/// for want of memory. An answer is respond(), or begin(), any number of write(), then end() or
/// fail(). What else is said, or said twice, is dropped, and the log names it; respond() after
/// begin() counts as fail(). The last reference that goes before the answer was complete answers
/// 500, or breaks the stream off. It may outlive the server.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const Request& request() const = 0;
  virtual void respond(Response response) = 0;  ///< the whole answer
  virtual void begin(Response head) = 0;        ///< a stream; the body of `head` is ignored
  /// A piece of it, sent at once. Of an event stream (type text/event-stream): whole events, since
  /// comments may be sent between pieces.
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;   ///< the stream is complete
  virtual void fail() = 0;  ///< it breaks off: the connection is closed without the last chunk
  /// The client has left (also: it has closed its half of the connection, or takes nothing any
  /// more, or the server ended before the answer did); what is written is dropped.
  [[nodiscard]] virtual bool gone() const = 0;
  /// Called once when the client leaves before the answer is complete, on the server's thread; at
  /// once, on this thread, if it has left already. It must not block or throw. It may still be
  /// running when end() returns, so it must own what it touches; it must not own this exchange.
  virtual void on_gone(std::function<void()> fn) = 0;
};

}  // namespace memlong::http
