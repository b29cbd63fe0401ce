// The prompt: a person types, the model answers.
#pragma once

#include "tools/memlong-chat/chat.h"

namespace memlong::tools {

/// Talks until /quit, the end of the input, or Ctrl-C on an empty line. An error of one message or
/// command is told and the talk goes on. Returns the exit code.
int run_repl(Chat& chat);

}  // namespace memlong::tools
