// What memlong-chat can be told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/session.h"
#include "retriever/index.h"
#include "tools/common/model_options.h"
#include "tools/common/options.h"

namespace memlong::tools {

struct ChatOptions {
  CommonOptions common;
  std::filesystem::path bank;
  std::string session;
  std::string name_space = "default";
  std::vector<std::string> read;
  bool read_all = false;
  std::vector<int64_t> documents;
  bool memory = true;
  std::optional<int64_t> cached_chunks;
  bool save = true;
  std::string index = "flat";
  std::string index_device = "auto";  ///< auto, cpu, cuda, cuda:N
  bool index_half = false;
  std::string index_memory;  ///< "2GiB"; "": half of what is free
  std::string retain = "none";
  int64_t budget_chunks = 0;
  int64_t budget_bytes = 0;

  std::string system;
  std::optional<std::string> prompt;
  std::filesystem::path dialog;
  bool interactive = false;
  std::optional<std::string> history;

  engine::GenerateOptions generate;
  bool greedy = false;
  int64_t predict = 512;
  int64_t seed = -1;

  /// Whether what is said will be in the bank.
  [[nodiscard]] bool keeps() const { return !session.empty() && save; }
  /// Whether somebody sits at the prompt (else: --dialog, --prompt, and out).
  [[nodiscard]] bool talks() const { return interactive || (!prompt && dialog.empty()); }
};

/// Reads and checks the command line. False: help or the like was printed. Errors: usage.
bool parse_chat_options(int argc, char** argv, ChatOptions& options);

/// What a session is made with; the scope is empty yet (see open_chat).
engine::SessionOptions session_options(const ChatOptions& options);
/// Opens the GPU that searches, where one does; warns where the processor takes its place. Errors:
/// usage, device (tools/memlong-chat/index_device.h).
retriever::IndexOptions index_options(const ChatOptions& options);

/// Where typed lines are kept: --history, else below XDG_STATE_HOME or ~/.local/state. Empty: no
/// history.
std::filesystem::path history_file(const ChatOptions& options);

}  // namespace memlong::tools
