// Log lines on standard error. Results never go here; they go to standard output.
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace memlong::log {

enum class Level : uint8_t { debug, info, warn, error, off };

void set_level(Level level);
void debug(const std::string& message);
void info(const std::string& message);
void warn(const std::string& message);
void error(const std::string& message);

}  // namespace memlong::log
