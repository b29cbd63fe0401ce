// A built tool that runs beside the test.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace memlong::tools_test {

/// What it prints is thrown away. A process that still runs is killed with the object.
class BackgroundTool {
 public:
  BackgroundTool(const std::string& name, std::vector<std::string> args);
  BackgroundTool(const BackgroundTool&) = delete;
  BackgroundTool& operator=(const BackgroundTool&) = delete;
  ~BackgroundTool();

  /// Sends the signal and waits; exit code, or 128 + signal.
  int end(int signal_number);
  int wait();
  [[nodiscard]] bool runs();

 private:
  pid_t child_ = -1;
  int code_ = -1;
};

}  // namespace memlong::tools_test
