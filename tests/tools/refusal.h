// What every refused input must look like: an exit code, and one harmless line that names it.
#pragma once

#include <string>
#include <vector>

#include "tools/run_tool.h"

namespace memlong::tools_test {

/// Exactly one line on standard error that begins with `begin` and has `says` in it, without a
/// control character, and exit code `code`.
void expect_one_line(const ToolResult& result, int code, const std::string& begin,
                     const std::string& says);

/// Runs the tool and expects "TOOL: error: ...".
void expect_refused(const std::string& tool, const std::vector<std::string>& args, int code,
                    const std::string& says);

}  // namespace memlong::tools_test
