// What memlong-serve can be told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "http/guard.h"
#include "http/server.h"
#include "tools/common/talk_options.h"

namespace memlong::serve_tool {

struct ServeArguments : tools::TalkOptions {
  std::string system;
  std::string alias;  ///< the model's name for clients; "": that of its folder
  int64_t open_dialogs = 4;
  int64_t parallel = 4;
  int64_t queue = 64;
  int64_t unnamed_tokens = int64_t{1} << 18;
  int64_t port = 8080;
  std::vector<std::string> api_keys;
  std::filesystem::path api_key_file;
  http::ServerOptions http;
  http::GuardOptions guard;

  /// Whether what is said under a name will be in the bank.
  [[nodiscard]] bool keeps() const { return !bank.empty() && save; }
};

/// Reads and checks the command line; reads the file of keys. False: help or the like was printed.
/// Errors: usage, io.
bool parse_arguments(int argc, char** argv, ServeArguments& arguments);

}  // namespace memlong::serve_tool
