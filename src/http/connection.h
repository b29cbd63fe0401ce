// One client's connection: requests are read one after the other, each answered before the next.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "http/listener.h"
#include "http/server.h"

namespace boost::asio {
class io_context;
}

namespace memlong::http {

/// What all connections of a server share. Used on the server's thread only.
struct Callbacks {
  ServerOptions options;
  Handler handler;
  Screen screen;
  Log log;
  Decorator decorate;
  bool stopping = false;  ///< every answer is the last one of its connection
};

/// Logs "<what>: <the exception's message>" where there is one.
void log_problem(const std::string& what, const std::exception_ptr& problem);

/// Used on the server's thread only.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;
  /// Begins; `ended` is called once when the connection is closed. `busy`: the one request is
  /// answered with 503 before it was read.
  virtual void start(bool busy, std::function<void()> ended) = 0;
  virtual void close_if_idle() = 0;  ///< where no request has been read
  virtual void cut() = 0;            ///< whatever it does
  /// Seconds for which it has been silent longer than it may where others wait for its place; at
  /// most 0: it may stay.
  [[nodiscard]] virtual double overdue() const = 0;
};

/// Takes over the socket. `io` and `service` must outlive it.
std::shared_ptr<Connection> make_connection(boost::asio::io_context& io, Callbacks& service,
                                            const Listener::Accepted& accepted);

}  // namespace memlong::http
