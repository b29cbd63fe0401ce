// What memlong-chat can be told.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tools/common/talk_options.h"

namespace memlong::tools {

struct ChatOptions : TalkOptions {
  std::string session;
  std::string system;
  std::optional<std::string> prompt;
  std::filesystem::path dialog;
  bool interactive = false;
  std::optional<std::string> history;

  /// Whether what is said will be in the bank.
  [[nodiscard]] bool keeps() const { return !session.empty() && save; }
  /// Whether somebody sits at the prompt (else: --dialog, --prompt, and out).
  [[nodiscard]] bool talks() const { return interactive || (!prompt && dialog.empty()); }
};

/// Reads and checks the command line. False: help or the like was printed. Errors: usage.
bool parse_chat_options(int argc, char** argv, ChatOptions& options);

/// Where typed lines are kept: --history, else below XDG_STATE_HOME or ~/.local/state. Empty: no
/// history.
std::filesystem::path history_file(const ChatOptions& options);

}  // namespace memlong::tools
