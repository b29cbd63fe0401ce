// Serves HTTP/1.1 and 1.0 on one thread: connections, limits, streams; nothing about models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/exchange.h"
#include "http/message.h"

namespace memlong::http {

// All four are called on the server's thread and must not block. What they throw is logged; what
// handler and screen throw is answered with 500.

/// Takes a whole request. The answer may be made later, on any thread.
using Handler = std::function<void(std::shared_ptr<Exchange>)>;
/// Sees a request before its body is read (the body is empty): an answer refuses it.
using Screen = std::function<std::optional<Response>(const Request&)>;
/// After each answer, also of requests that were refused or malformed (these may lack a method and
/// all that follows it). Status 499: the client left before its answer was complete.
using Log = std::function<void(const Request&, int status, double seconds)>;
/// Adds headers to an answer or to the head of a stream, also of requests that were refused.
using Decorator = std::function<void(const Request&, Response&)>;

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on: "localhost", "0.0.0.0", "::1";
                                   ///< "::" takes IPv4 too
  uint16_t port = 8080;            ///< 0: a free one
  size_t max_body = size_t{64} << 20;
  size_t max_head = size_t{16} << 10;     ///< request line and headers
  size_t max_connections = 256;           ///< the next gets 503
  size_t max_pending = size_t{64} << 20;  ///< of a stream, not yet taken by its client: more, and
                                          ///< it counts as gone
  double idle_seconds = 60;        ///< for a request's head to arrive, from the answer before it on
  double body_seconds = 300;       ///< for the rest of it
  double write_seconds = 60;       ///< for the client to take anything of what is sent to it
  double keep_alive_seconds = 15;  ///< an event stream silent for so long gets a comment: ": \n\n"
  double drain_seconds = 5;        ///< for answers under way when the server is stopped
};

class Server {
 public:
  /// Binds and listens. Of a host with several addresses: the first that can be had, IPv4 before
  /// IPv6. Errors: usage (no such host); io ("cannot listen on 127.0.0.1:8080: Address already in
  /// use").
  Server(const ServerOptions& options, Handler handler, Screen screen = {}, Log log = {},
         Decorator decorate = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] std::string address() const;  ///< "127.0.0.1:8080", "[::1]:8080"

  /// Serves on this thread until stop_requested() is true, which is looked at at least every
  /// 100 ms, or stop() was called. Then it accepts nothing new, closes connections that wait for a
  /// request, gives answers under way drain_seconds to end (their owners end them), cuts off the
  /// rest, whose exchanges are then gone, and returns. Once. `stop_requested` must not throw; it
  /// may be empty: stop() alone ends it.
  void run(const std::function<bool()>& stop_requested);
  void stop();  ///< thread-safe, also before run()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace memlong::http
