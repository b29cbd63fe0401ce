// A built tool that runs beside the test.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace memlong::tools_test {

/// Files that stand for the standard streams of a tool; "": /dev/null.
struct ToolStreams {
  std::string in;
  std::string out;
  std::string err;
};

/// A process that still runs is killed with the object.
class BackgroundTool {
 public:
  BackgroundTool(const std::string& name, std::vector<std::string> args,
                 const ToolStreams& streams = {});
  BackgroundTool(const BackgroundTool&) = delete;
  BackgroundTool& operator=(const BackgroundTool&) = delete;
  ~BackgroundTool();

  /// Sends the signal and waits; exit code, or 128 + signal.
  int end(int signal_number);
  int wait();
  /// Waits that long at most; whether it has ended.
  bool ended_within(double seconds);
  [[nodiscard]] bool runs();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int code_ = -1;
};

}  // namespace memlong::tools_test
