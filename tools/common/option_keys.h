// The keys of all memlong tools: one TOML file can serve them all.
#pragma once

#include <string_view>

namespace memlong::tools {

/// Whether some memlong tool has an option of this name that stands at the top of a file.
bool is_key_of_a_tool(std::string_view name);

/// Whether some memlong tool has a command of this name, whose options stand in a table.
bool is_command_of_a_tool(std::string_view name);

}  // namespace memlong::tools
