// The outermost function of every tool.
#pragma once

#include <functional>

namespace memlong::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitStopped = 130;
inline constexpr int kExitClosedPipe = 141;

/// Runs a tool's main function with stop signals caught. An exception becomes one line
/// "memlong-x: error: ..." on standard error and an exit code: usage 2, stopped 130, all else 1; a
/// reader of standard output that went away 141, silently. Output that could not be written (a full
/// disk) is a failure.
int run_tool(int argc, char** argv, const std::function<int(int, char**)>& tool);

}  // namespace memlong::tools
