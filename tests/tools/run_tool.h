// Runs a built tool as a user would, and collects what it says.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/temp_folder.h"

namespace memlong::tools_test {

struct ToolResult {
  int code = -1;  ///< exit code; 128 + signal for a tool that was killed
  std::string out;
  std::string err;
};

struct ToolCall {
  std::string input;                                             ///< standard input
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to this process's
  int timeout_seconds = 120;                                     ///< then it is killed
};

/// Runs the binary `name` of test::bin_dir(). MEMLONG_... variables of this process are not
/// handed on. A binary that is missing throws.
ToolResult run_tool(const std::string& name, const std::vector<std::string>& args,
                    const ToolCall& call = {});
inline ToolResult run_tool(const std::string& name, const std::vector<std::string>& args,
                           const std::string& input) {
  ToolCall call;
  call.input = input;
  return run_tool(name, args, call);
}

/// Whether the binary was built (`GTEST_SKIP` where it was not).
bool tool_exists(const std::string& name);

using test::TempFolder;

/// The content of a file, "" when there is none.
std::string slurp(const std::filesystem::path& path);

/// models/reference of the source tree.
std::string reference_model();

}  // namespace memlong::tools_test
