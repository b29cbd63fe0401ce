#include "tools/memlong-chat/options.h"

#include <cstdlib>

namespace memlong::tools {

namespace {

constexpr const char* kEpilog = R"(Examples:
  memlong-chat --model models/reference
  memlong-chat --model models/reference --bank my.bank --session anna
  memlong-chat --model models/reference --bank my.bank --session anna --dialog talk.json
  memlong-chat --model models/reference --bank my.bank --session anna --prompt "Where is my hat?"

A dialog file is {"turns": [{"role": "user", "content": "..."}, ...]} (or "messages"), one object
or one a line, or plain text with "User:", "Assistant:" and "System:" in front of each message.
Turns that the session knows already are skipped.

Without --bank the memory lasts as long as the process. Without --session the bank is read and
nothing is kept. A session remembers its own dialog and reads the texts of its namespace; --read,
--read-all and --document say otherwise.
)";

void add_memory(OptionSet& set, ChatOptions& o) {
  set.group("Memory");
  set.add("bank", &o.bank, "folder of the bank; made when it is not there and --session is given")
      .value("DIR");
  set.add("session", &o.session, "name under which the dialog is kept, and taken up again")
      .value("NAME");
  add_scope_options(set, o);
  add_reading_options(set, o);
  set.add("save", &o.save, "--no-save: read the session, and keep nothing of what is said now");
  add_bank_options(set, o);
}

void add_talk(OptionSet& set, ChatOptions& o) {
  set.group("Talk");
  set.add("system", &o.system, "system prompt of a new dialog").value("TEXT");
  set.add("prompt", &o.prompt, "answer this and exit; - reads standard input").value("TEXT");
  set.add("dialog", &o.dialog,
          "read this dialog into the session, without answering; - reads standard input")
      .value("FILE")
      .existing();
  set.add("interactive", &o.interactive, "go on at the prompt after --dialog or --prompt")
      .short_name('i');
  set.add("history", &o.history, "file of the lines that were typed; \"\": none").value("FILE");
}

void check(const OptionSet& set, const ChatOptions& o) {
  if (!o.session.empty() && o.bank.empty()) set.fail_usage("--session needs --bank DIR");
  if (o.prompt && o.prompt->empty()) set.fail_usage("--prompt is empty");
  if (o.common.json && o.talks()) set.fail_usage("--json needs --prompt or --dialog");
  if (!o.dialog.empty() && !o.prompt && !o.interactive && !o.keeps()) {
    set.fail_usage(
        "--dialog alone keeps nothing here: add --bank and --session, --prompt, or --interactive");
  }
  if (o.dialog == "-" && (o.prompt == "-" || o.interactive)) {
    set.fail_usage("--dialog - takes all of standard input: " +
                   std::string(o.interactive ? "--interactive" : "--prompt -") +
                   " would find nothing there");
  }
  check_talk_options(set, o);
}

}  // namespace

bool parse_chat_options(int argc, char** argv, ChatOptions& options) {
  OptionSet set("memlong-chat", "Talk with a model that remembers.");
  add_model_options(set, options.common);
  add_packed_cache_option(set, options.common);
  add_memory(set, options);
  add_talk(set, options);
  add_sampling_options(set, options);
  add_memory_options(set, options.common, "memory-top-k");
  add_output_options(set, options.common);
  set.epilog(kEpilog);
  if (!set.parse(argc, argv)) return false;
  check(set, options);
  apply_output_options(options.common);
  finish_talk_options(options);
  return true;
}

std::filesystem::path history_file(const ChatOptions& options) {
  if (options.history) return *options.history;
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') {
    return std::filesystem::path(state) / "memlong" / "chat_history";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return std::filesystem::path(home) / ".local" / "state" / "memlong" / "chat_history";
}

}  // namespace memlong::tools
