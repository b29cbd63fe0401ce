// Counters of the server, as Prometheus reads them.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "engine/session.h"

namespace memlong::server {

/// What is so now, beside what was counted.
struct Gauges {
  bool ready = false;
  size_t waiting = 0;    ///< requests for the network that have not begun
  size_t answering = 0;  ///< answers under way
  size_t open_dialogs = 0;
  double uptime_seconds = 0;
};

/// Thread-safe.
class Metrics {
 public:
  /// One answer. `route`: its pattern, "/v1/bank/documents/*"; "": none.
  void count_request(const std::string& route, int status, double seconds);
  void count_answer(const engine::Answer& answer);
  void count_read_text(int64_t tokens);
  /// In the text format 0.0.4.
  [[nodiscard]] std::string text(const Gauges& gauges) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;
  double request_seconds_ = 0;
  uint64_t answers_ = 0;
  int64_t prompt_tokens_ = 0;
  double prompt_seconds_ = 0;
  int64_t tokens_ = 0;
  double seconds_ = 0;
  int64_t retrieved_ = 0;
  int64_t read_tokens_ = 0;
};

}  // namespace memlong::server
