#include "http/server.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <unistd.h>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/log.h"
#include "http/connection.h"
#include "http/listener.h"

namespace memlong::http {
namespace {

namespace net = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kTick{50};          // how often a stop is looked for
constexpr milliseconds kAcceptPause{100};  // after a failure that will not go at once
constexpr milliseconds kCutTime{5000};     // for connections that were cut to notice it
constexpr size_t kBusyConnections = 64;    // that are told so; further ones are closed unheard

}  // namespace

struct Server::Impl {
  explicit Impl(Callbacks all)
      : service(std::move(all)),
        listener(service.options.host, service.options.port),
        arrivals(io, listener.fd()) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (listener.fd() >= 0) arrivals.release();
  }

  net::awaitable<void> accept_all();
  bool accept_waiting();
  bool make_room();
  void open(const Listener::Accepted& accepted);
  void run_until_empty(steady_clock::duration longest);
  void drain();

  Callbacks service;
  Listener listener;
  net::io_context io;
  net::posix::stream_descriptor arrivals;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  size_t busy = 0;  // of them, those that are only told that there are too many
  std::atomic<bool> stop = false;
};

net::awaitable<void> Server::Impl::accept_all() {
  net::steady_timer pause(io);
  boost::system::error_code error;
  while (!service.stopping) {
    co_await arrivals.async_wait(net::posix::stream_descriptor::wait_read,
                                 net::redirect_error(net::use_awaitable, error));
    if (error || service.stopping) co_return;
    if (accept_waiting()) continue;
    pause.expires_after(kAcceptPause);
    co_await pause.async_wait(net::redirect_error(net::use_awaitable, error));
  }
}

/// False when the system cannot give more just now.
bool Server::Impl::accept_waiting() {
  for (;;) {
    const Listener::Accepted accepted = listener.accept();
    if (accepted.fd >= 0) {
      open(accepted);
      continue;
    }
    if (accepted.error == EAGAIN) return true;
    if (accepted.error == ECONNABORTED || accepted.error == EINTR) continue;
    log::warn(std::string("cannot take a new connection: ") + std::strerror(accepted.error));
    return false;
  }
}

/// Who asks for nothing leaves room for another: connections cost their owner nothing.
bool Server::Impl::make_room() {
  const auto silent = std::ranges::max_element(
      connections, {}, [](const auto& connection) { return connection->overdue(); });
  if (silent == connections.end() || (*silent)->overdue() <= 0) return false;
  (*silent)->cut();
  return true;
}

void Server::Impl::open(const Listener::Accepted& accepted) {
  const bool too_many =
      connections.size() - busy >= service.options.max_connections && !make_room();
  if (too_many && busy >= kBusyConnections) {
    ::close(accepted.fd);
    return;
  }
  std::shared_ptr<Connection> connection;
  try {
    connection = make_connection(io, service, accepted);
    connections.insert(connection);
  } catch (const std::exception& error) {
    log::error("cannot serve " + accepted.peer + ": " + error.what());
    if (!connection) ::close(accepted.fd);
    return;
  }
  busy += too_many ? 1 : 0;
  connection->start(too_many, [this, connection, too_many] {
    busy -= too_many ? 1 : 0;
    connections.erase(connection);
  });
}

/// Serves until there is no connection, or it took the longest time.
void Server::Impl::run_until_empty(steady_clock::duration longest) {
  const auto deadline = steady_clock::now() + longest;
  while (!connections.empty() && steady_clock::now() < deadline) io.run_one_until(deadline);
}

void Server::Impl::drain() {
  service.stopping = true;
  arrivals.release();
  listener.close();
  const auto each = [this](void (Connection::*act)()) {
    const std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
    for (const auto& connection : all) (connection.get()->*act)();
  };
  each(&Connection::close_if_idle);
  run_until_empty(milliseconds(static_cast<int64_t>(service.options.drain_seconds * 1000)));
  each(&Connection::cut);
  run_until_empty(kCutTime);
  if (!connections.empty()) log::error("internal error: a connection did not end");
}

Server::Server(const ServerOptions& options, Handler handler, Screen screen, Log log,
               Decorator decorate)
    : impl_(std::make_unique<Impl>(Callbacks{options, std::move(handler), std::move(screen),
                                             std::move(log), std::move(decorate)})) {}

Server::~Server() = default;

uint16_t Server::port() const { return impl_->listener.port(); }

std::string Server::address() const { return impl_->listener.address(); }

void Server::stop() { impl_->stop = true; }

void Server::run(const std::function<bool()>& stop_requested) {
  Impl& impl = *impl_;
  const auto work = net::make_work_guard(impl.io);
  net::co_spawn(
      impl.io, [&impl] { return impl.accept_all(); },
      [](const std::exception_ptr& problem) {
        log_problem("new connections cannot be taken any more", problem);
      });
  while (!impl.stop && !(stop_requested && stop_requested())) impl.io.run_for(kTick);
  impl.drain();
}

}  // namespace memlong::http
