// Wall-clock time for records, steady time for rates.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace memlong {

/// Microseconds since 1970-01-01 UTC.
inline int64_t now_micros() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

/// "2026-03-01T09:30:00Z"
std::string format_time(int64_t micros);

/// Seconds since construction or the last restart().
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  void restart() { start_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace memlong
