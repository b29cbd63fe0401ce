// The commands of the prompt: /help, /why and the rest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/memlong-chat/chat.h"

namespace memlong::tools {

/// Asks the person a question; true for yes.
using Confirm = std::function<bool(const std::string& question)>;

/// Runs a line that begins with '/'. Prints to standard output. False: the talk is over. Errors:
/// those of its parts, which leave the talk as it was.
bool run_command(Chat& chat, const std::string& line, const Confirm& confirm);

/// "/help", "/memory" ...: for Tab.
std::vector<std::string> command_words();

}  // namespace memlong::tools
