// Where values come from when the command line says nothing: a TOML file, then the environment.
#pragma once

#include <filesystem>
#include <string>

#include "tools/common/options.h"

namespace memlong::tools {

/// "MEMLONG_TOP_K"
std::string environment_name(const std::string& option);

class OptionSources {
 public:
  explicit OptionSources(OptionSet& set) : set_(set) {}
  /// The file (none when empty: then MEMLONG_CONFIG, if set), then the environment. Errors: usage,
  /// for a file that cannot be read, is not TOML, or holds an unknown key.
  void read(std::filesystem::path config);

 private:
  class File;
  void read_environment(OptionSet& set);

  OptionSet& set_;
};

}  // namespace memlong::tools
