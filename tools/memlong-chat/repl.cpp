#include "tools/memlong-chat/repl.h"

#include <csignal>
#include <cstdio>

#include "common/error.h"
#include "common/log.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-chat/commands.h"
#include "tools/memlong-chat/dialog_file.h"
#include "tools/memlong-chat/line_editor.h"
#include "tools/memlong-chat/one_shot.h"

namespace memlong::tools {

namespace {

using Result = LineEditor::Result;

/// A message of one or several lines: a backslash at the end of a line goes on with the next.
Result read_message(LineEditor& editor, std::string& message) {
  message.clear();
  std::string line;
  for (;;) {
    const Result result = editor.read(message.empty() ? "> " : ". ", line);
    if (result == Result::interrupted) {
      message += line;
      return result;
    }
    if (result == Result::end) return message.empty() ? result : Result::line;
    message += line;
    if (message.empty() || message.back() != '\\') return Result::line;
    message.back() = '\n';
  }
}

bool confirm(LineEditor& editor, const std::string& question) {
  if (!editor.terminal()) print_out(question + " [y/N]\n");
  std::string line;
  const Result result = editor.read(question + " [y/N] ", line, false);
  return result == Result::line && (line == "y" || line == "Y" || line == "yes");
}

void answer(Chat& chat, const std::string& message, bool terminal) {
  chat.open(message);
  const engine::Answer& result = chat.ask(message, answer_printer());
  print_out("\n");
  if (result.reason == engine::StopReason::interrupted) {
    if (terminal) print_out("(stopped; Ctrl-C on an empty line quits)\n");
  } else if (result.reason == engine::StopReason::length && terminal) {
    print_out("(the answer was cut off after " + std::to_string(chat.options().predict) +
              " tokens; --predict allows more)\n");
  }
  flush_out();
}

/// A stop that ends the talk, not only an answer or a line: SIGTERM, and any where no person types.
bool must_end(const LineEditor& editor) { return !editor.terminal() || stop_signal() == SIGTERM; }

/// False: the talk is over.
bool take(Chat& chat, LineEditor& editor, std::string message) {
  if (message.starts_with("//")) {
    message.erase(0, 1);
  } else if (message.starts_with("/")) {
    return run_command(chat, message,
                       [&](const std::string& question) { return confirm(editor, question); });
  }
  answer(chat, clean_utf8(message), editor.terminal());
  return true;
}

}  // namespace

int run_repl(Chat& chat) {
  LineEditor editor(history_file(chat.options()), command_words());
  std::string message;
  for (;;) {
    const Result result = read_message(editor, message);
    if (result == Result::end) return kExitOk;
    if (result == Result::interrupted) {
      if (must_end(editor)) return kExitStopped;
      clear_stop_request();
      if (message.empty()) return kExitOk;
      continue;
    }
    if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
    try {
      if (!take(chat, editor, message)) return kExitOk;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) throw;
      if (error.kind() == ErrorKind::stopped && must_end(editor)) throw;
      if (std::ferror(stdout) != 0) throw;  // nobody would read what comes next
      flush_out();
      log::error(escape_terminal(error.what()));
      if (!chat.is_open() && chat.knows_language()) throw;
    }
    flush_out();
    if (!stop_requested()) continue;
    if (must_end(editor)) return kExitStopped;
    clear_stop_request();
  }
}

}  // namespace memlong::tools
