// Results on standard output, checked; JSON for machines.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace memlong::tools {

/// Thrown when the reader of standard output has gone (SIGPIPE is ignored); run_tool knows it.
struct OutputClosed {};

/// Writes to standard output. Errors: io, capacity (full disk), OutputClosed.
void print_out(std::string_view text);
/// Pushes everything to the reader. Errors as print_out.
void flush_out();

/// One JSON value and a newline. Bytes that are not UTF-8 become U+FFFD. `indent` -1: one line.
void print_json(const nlohmann::ordered_json& value, int indent = 2);
/// The same as a string without newline.
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace memlong::tools
