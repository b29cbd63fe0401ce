// --dialog and --prompt: what memlong-chat does without a person at the prompt.
#pragma once

#include "tools/memlong-chat/chat.h"

namespace memlong::tools {

/// Reads the dialog, answers the prompt, prints the results. Returns the exit code: 130 when the
/// answer was stopped. Errors: those of its parts.
int run_one_shot(Chat& chat);

/// Prints an answer's text as it comes, harmless where standard output is a terminal; false from it
/// when a stop was asked for.
engine::TextSink answer_printer();

}  // namespace memlong::tools
