// The options of memlong-ingest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/ingest.h"
#include "tools/common/model_options.h"
#include "tools/common/options.h"

namespace memlong::ingest_tool {

struct IngestArguments {
  tools::CommonOptions common;
  std::filesystem::path bank;
  std::vector<std::string> paths;
  std::string kv_dtype = "bf16";
  std::string retain = "none";
  std::optional<int64_t> windows;
  engine::IngestOptions ingest;
  engine::SourceOptions sources;
  bool dry_run = false;
};

void add_options(tools::OptionSet& options, IngestArguments& arguments);
/// After parse(): what one option alone cannot tell. Errors: usage.
void finish_arguments(const tools::OptionSet& options, IngestArguments& arguments);

}  // namespace memlong::ingest_tool
