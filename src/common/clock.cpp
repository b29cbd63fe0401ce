#include "common/clock.h"

#include <ctime>

namespace memlong {

std::string format_time(int64_t micros) {
  const auto seconds = static_cast<time_t>(micros / 1000000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

}  // namespace memlong
