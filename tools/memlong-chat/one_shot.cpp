#include "tools/memlong-chat/one_shot.h"

#include <cstdio>
#include <iterator>
#include <optional>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/log.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-chat/dialog_file.h"
#include "tools/memlong-chat/feed.h"
#include "tools/memlong-chat/report.h"

namespace memlong::tools {

namespace {

std::string read_stdin(const std::string& option) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const size_t got = std::fread(buffer, 1, sizeof(buffer), stdin);
    text.append(buffer, got);
    if (got < sizeof(buffer)) break;
  }
  throw_if_stopped();
  if (std::ferror(stdin) != 0) fail_errno("cannot read", "standard input");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) fail(ErrorKind::usage, option + " -: there is nothing on standard input");
  return text;
}

/// A mistyped name begins a dialog or a bank, and must not do so silently.
void say_what_is_new(const Chat& chat) {
  const ChatOptions& options = chat.options();
  if (chat.bank_is_new()) log::info("bank " + options.bank.string() + " is new");
  if (!options.session.empty() && !chat.session().resumed()) {
    log::info("session '" + options.session + "' is new");
  }
}

std::string join(const std::vector<tokenizer::Message>& messages) {
  std::string text;
  for (const tokenizer::Message& message : messages) text += message.content + "\n";
  return text;
}

void print_feed(const Chat& chat, const FeedResult& fed, bool json) {
  if (json) return print_json(feed_json(chat, fed));
  std::string line = "read " + std::to_string(fed.turns) + " turns (" + std::to_string(fed.tokens) +
                     " tokens) in " + human_duration(fed.seconds);
  if (fed.known > 0) line += ", knew " + std::to_string(fed.known) + " already";
  print_out(line + "\n");
}

int print_answer(Chat& chat, const std::string& prompt, const std::optional<FeedResult>& fed) {
  const bool json = chat.options().common.json;
  const engine::Answer& answer = chat.ask(
      prompt, json ? [](std::string_view) { return !stop_requested(); } : answer_printer());
  if (json) {
    nlohmann::ordered_json result = answer_json(chat, answer);
    if (fed) result["dialog"] = feed_json(chat, *fed);
    print_json(result);
  } else {
    print_out("\n");
  }
  flush_out();
  return answer.reason == engine::StopReason::interrupted ? kExitStopped : kExitOk;
}

}  // namespace

engine::TextSink answer_printer() {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  return [terminal](std::string_view text) {
    print_out(terminal ? escape_terminal(text, true) : std::string(text));
    flush_out();
    return !stop_requested();
  };
}

int run_one_shot(Chat& chat) {
  const ChatOptions& options = chat.options();
  std::vector<tokenizer::Message> messages;
  if (!options.dialog.empty()) {
    messages = options.dialog == "-" ? parse_dialog(read_stdin("--dialog"), "standard input")
                                     : read_dialog(options.dialog);
  }
  std::string prompt;
  if (options.prompt)
    prompt = clean_utf8(*options.prompt == "-" ? read_stdin("--prompt") : *options.prompt);
  chat.open(messages.empty() ? prompt : join(messages));
  say_what_is_new(chat);
  std::optional<FeedResult> fed;
  if (!messages.empty()) {
    fed = feed_dialog(chat, messages);
    if (!options.prompt) print_feed(chat, *fed, options.common.json);
  }
  return options.prompt ? print_answer(chat, prompt, fed) : kExitOk;
}

}  // namespace memlong::tools
