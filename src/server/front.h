// Where requests arrive: each goes to the thread that can answer it.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/clock.h"
#include "http/exchange.h"
#include "server/desk.h"
#include "server/intake.h"
#include "server/metrics.h"
#include "server/service.h"
#include "server/worker.h"

namespace memlong::server {

/// Thread-safe. Answers are made side by side on the network's thread, texts are taken in on a
/// second, and what needs no network is told on a third.
class Front {
 public:
  /// Loads everything, on the thread that will use it.
  using Load = std::function<ServiceParts()>;

  /// `longest`: so many requests may wait for each thread; the next is refused. `loaded` is called
  /// when loading has ended, on its thread; failure() says how.
  Front(Load load, size_t longest, std::function<void()> loaded);
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;
  ~Front();

  /// Takes a request; never blocks.
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  /// For the log of the transport.
  void count(const http::Request& request, int status, double seconds);

  /// What loading failed with; null: nothing (yet).
  [[nodiscard]] std::exception_ptr failure() const;
  /// Answers under way are stopped and what waits is refused: begin_close() returns at once,
  /// close() when all is done and kept.
  void begin_close();
  void close();

 private:
  /// Answers, or leaves behind who will. What it throws is told.
  using Answer =
      std::function<void(const std::shared_ptr<http::Exchange>& exchange, const Stop& stop)>;
  enum class Place : uint8_t {
    here,  ///< at once, on the thread of the transport
    desk,
    intake,
    network,
    answers,  ///< the network, where it leaves work behind
  };
  struct Route {
    std::string method;
    std::string pattern;  ///< "/v1/bank/documents/*"
    std::vector<std::string> steps;
    Place place;
    Answer answer;
  };

  void add(const char* method, const std::string& pattern, Place place, Answer answer);
  void add_routes();
  void open(const Load& load);
  [[nodiscard]] std::string pattern_of(const http::Request& request) const;
  [[nodiscard]] http::Response not_found(const http::Request& request) const;
  [[nodiscard]] http::Response health() const;
  [[nodiscard]] http::Response metrics_page() const;
  [[nodiscard]] const std::shared_ptr<Worker>& worker_of(Place place) const;
  void hand_over(const Route& route, const std::shared_ptr<http::Exchange>& exchange);
  bool step();

  const Stopwatch since_start_;
  std::function<void()> loaded_;
  std::vector<Route> routes_;
  Metrics metrics_;
  std::unique_ptr<Service> service_;  ///< of the network's thread
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<Intake> intake_;
  std::atomic<bool> ready_{false};
  std::atomic<size_t> open_dialogs_{0};
  std::atomic<size_t> answering_{0};
  mutable std::mutex mutex_;
  std::exception_ptr failure_;
  std::shared_ptr<Worker> network_;
  std::shared_ptr<Worker> reader_;  ///< the intake's thread
  std::shared_ptr<Worker> clerk_;   ///< the desk's thread
};

}  // namespace memlong::server
