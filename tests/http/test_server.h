// A server on a thread of its own, for tests.
#pragma once

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http/server.h"
#include "support/http_client.h"

namespace memlong::http {

constexpr std::chrono::seconds kLongest{30};  // nothing in these tests may take longer

/// A condition that one thread waits for and another makes true.
class Signal {
 public:
  void set() {
    const std::scoped_lock lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  /// Whether it was set so often.
  [[nodiscard]] bool wait(int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLongest, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

class TestServer {
 public:
  explicit TestServer(Handler handler, ServerOptions options = {}, Screen screen = {},
                      Decorator decorate = {})
      : server_(
            on_a_free_port(std::move(options)), std::move(handler), std::move(screen),
            [this](const Request& request, int status, double) { log(request, status); },
            std::move(decorate)),
        thread_([this] { server_.run({}); }) {}
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() { stop(); }

  [[nodiscard]] uint16_t port() const { return server_.port(); }
  void request_stop() { server_.stop(); }
  void stop() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  /// The first lines of the log, as soon as there are so many: "GET /path 200".
  std::vector<std::string> log_lines(size_t count) {
    std::unique_lock lock(mutex_);
    logged_.wait_for(lock, kLongest, [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  static ServerOptions on_a_free_port(ServerOptions options) {
    options.port = 0;
    return options;
  }
  void log(const Request& request, int status) {
    const std::scoped_lock lock(mutex_);
    lines_.push_back(request.method + " " + request.path + " " + std::to_string(status));
    logged_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable logged_;
  std::vector<std::string> lines_;
  Server server_;
  std::thread thread_;
};

inline Response text_response(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.type = "text/plain";
  response.body = std::move(body);
  return response;
}

inline Response event_stream() {
  Response response;
  response.type = "text/event-stream";
  return response;
}

/// "POST /path body"
inline void echo(const std::shared_ptr<Exchange>& exchange) {
  const Request& request = exchange->request();
  exchange->respond(text_response(request.method + " " + request.path + " " + request.body));
}

}  // namespace memlong::http
