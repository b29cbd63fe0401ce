// What the tools that hold dialogs share: the bank, what is read of it, how answers are drawn.
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

struct TalkOptions {
  CommonOptions common;
  std::filesystem::path bank;
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

  engine::GenerateOptions generate;
  bool greedy = false;
  int64_t predict = 512;
  int64_t seed = -1;
};

/// --namespace ... --document: what is read.
void add_scope_options(OptionSet& set, TalkOptions& talk);
/// --memory, --cached-chunks.
void add_reading_options(OptionSet& set, TalkOptions& talk);
/// --index ... --budget-bytes: how the bank is searched and what it keeps.
void add_bank_options(OptionSet& set, TalkOptions& talk);
/// --predict ... --presence-penalty, under "Answers".
void add_sampling_options(OptionSet& set, TalkOptions& talk);

/// Errors: usage, where what was given does not go together.
void check_talk_options(const OptionSet& set, const TalkOptions& talk);
/// What --greedy and --predict mean; behind parse().
void finish_talk_options(TalkOptions& talk);

/// What a session is made with; name and scope are left open.
engine::SessionOptions session_options(const TalkOptions& talk);
/// Opens the GPU that searches, where one does; warns where the processor takes its place. Errors:
/// usage, device (tools/common/index_device.h).
retriever::IndexOptions index_options(const TalkOptions& talk);

}  // namespace memlong::tools
