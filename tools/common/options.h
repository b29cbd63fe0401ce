// The options of a tool: one declaration gives the flag `--top-k`, the key `top-k` (or `top_k`) in
// a TOML file given with --config, and the environment variable MEMLONG_TOP_K. The flag wins over
// the file, the file over the environment, the environment over the default.
//
//   OptionSet options("memlong-bank", "Looks into a bank and takes care of it.");
//   options.group("Bank").add("bank", bank, "folder of the bank").value("DIR").required();
//   OptionSet& list = options.command("list", "Lists documents.");
//   if (!options.parse(argc, argv)) return 0;  // --help, --version or --dump-config was printed
//
// In the file, keys of a command stand in a table of its name ([list]); everything may also stand
// under a table of the tool's name ([memlong-bank]), and tables of other memlong tools are skipped,
// so that one file can serve all tools. Not thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tools/common/option_value.h"

namespace memlong::tools {

/// One option. The functions describe it further and return it.
class Option {
 public:
  Option(std::string name, OptionTarget target, std::string help, std::string group);

  Option& value(std::string placeholder);           ///< what help calls its value
  Option& short_name(char letter);                  ///< -m
  Option& choices(std::vector<std::string> names);  ///< anything else is a usage error
  Option& range(double low, double high);           ///< of a number, both ends allowed
  Option& size();                                   ///< bytes, as 1500000, 64MiB or 2GB
  Option& existing();                               ///< a path that must be there; "-" may be
  Option& required();                               ///< must be given somewhere
  Option& verbatim();                               ///< commas in a list's words are no separators
  Option& default_text(std::string text);           ///< what help shows as the default

 private:
  friend class OptionParser;
  friend class OptionSet;
  friend class OptionSources;
  friend std::string format_help(const class OptionSet& set);
  friend std::string usage_line(const class OptionSet& set);
  friend std::string option_line(const Option& option);
  friend std::string format_config(const class OptionSet& set);

  /// Fills the target once; a source of lower rank leaves it alone.
  void take(const std::vector<std::string>& words, const std::string& source);
  void check(const std::string& source) const;
  void check_existing() const;

  std::string name_;
  OptionTarget target_;
  std::string help_;
  std::string group_;
  std::string placeholder_;
  std::string default_text_;
  char short_name_ = 0;
  std::vector<std::string> choices_;
  double low_ = 0;
  double high_ = -1;  ///< below low_: no range
  bool size_ = false;
  bool existing_ = false;
  bool required_ = false;
  bool verbatim_ = false;
  bool positional_ = false;
  std::string given_by_;  ///< "": the default is in force
};

class OptionSet {
 public:
  OptionSet(std::string program, std::string description);
  OptionSet(const OptionSet&) = delete;
  OptionSet& operator=(const OptionSet&) = delete;
  ~OptionSet() = default;

  /// Options added from here on stand under this heading in --help.
  OptionSet& group(std::string heading);
  /// Name in kebab-case. A bool is a flag: `--name`, `--no-name`, `--name=false`.
  Option& add(const std::string& name, OptionTarget target, const std::string& help);
  /// A word without a flag, in the order of declaration; a list takes all that are left. It has
  /// a key in the file, and no environment variable.
  Option& positional(const std::string& name, OptionTarget target, const std::string& help);
  /// A command (`memlong-bank list`). Options of this set may stand before and after its name.
  OptionSet& command(const std::string& name, const std::string& description);
  /// Free text under the options in --help: examples, file formats.
  OptionSet& epilog(std::string text);

  /// Fills all variables. False when --help, --version or --dump-config was asked for and printed:
  /// the tool ends with 0. Errors: usage.
  [[nodiscard]] bool parse(int argc, const char* const* argv);

  [[nodiscard]] const std::string& program() const { return program_; }
  [[nodiscard]] std::string chosen() const;  ///< name of the command, "" without commands
  /// Whether somebody gave it (flag, file or environment), the chosen command's options included.
  [[nodiscard]] bool given(const std::string& name) const;
  /// For a check of the tool's own: Error{usage} with a pointer to --help.
  [[noreturn]] void fail_usage(const std::string& message) const;

 private:
  friend class OptionParser;
  friend class OptionSources;
  friend std::string format_help(const OptionSet& set);
  friend std::string usage_line(const OptionSet& set);
  friend std::string format_config(const OptionSet& set);

  [[nodiscard]] Option* find(const std::string& name);
  void check_required() const;
  [[nodiscard]] std::string full_name() const;  ///< "memlong-bank list"

  std::string program_;
  std::string description_;
  std::string epilog_;
  std::string heading_ = "Options";
  std::deque<Option> options_;
  std::vector<std::unique_ptr<OptionSet>> commands_;
  OptionSet* parent_ = nullptr;
  OptionSet* chosen_ = nullptr;
  std::filesystem::path config_;
  bool help_ = false;
  bool version_ = false;
  bool dump_config_ = false;
};

/// What --help prints.
std::string format_help(const OptionSet& set);
/// What --dump-config prints: everything in force, as TOML that --config accepts.
std::string format_config(const OptionSet& set);
/// "memlong-bank 0.1.0 (CPU)"
std::string version_line(const std::string& program);

}  // namespace memlong::tools
