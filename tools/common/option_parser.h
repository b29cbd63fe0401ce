// Words of a command line to options.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/common/options.h"

namespace memlong::tools {

/// `--name value`, `--name=value`, `-m value`, flags, `--` before words that are no options,
/// commands. Repeating an option overrides, or for a list adds.
class OptionParser {
 public:
  explicit OptionParser(OptionSet& set) : root_(set), current_(&set) {}
  /// Errors: usage.
  void parse(int argc, const char* const* argv);

 private:
  void take_option(const std::string& word);
  bool take_builtin(const std::string& name, bool has_value, const std::string& value);
  void take_flag(Option& option, const std::string& flag, bool value);
  void take_word(const std::string& word);
  void take_positionals();
  void finish();
  [[nodiscard]] std::string next_value(const std::string& flag);
  [[nodiscard]] bool is_option_word(const std::string& word) const;
  [[nodiscard]] bool is_command(const std::string& word) const;
  [[noreturn]] void unknown(const std::string& flag) const;

  OptionSet& root_;
  OptionSet* current_;
  std::vector<std::string> words_;
  size_t next_ = 0;
  bool only_words_ = false;
  std::vector<std::string> free_words_;
  struct Given {
    std::string flag;
    std::vector<std::string> values;
  };
  std::map<Option*, Given> given_;
};

}  // namespace memlong::tools
