#include "tools/common/option_sources.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include <toml++/toml.h>

#include "common/error.h"
#include "common/file.h"
#include "tools/common/option_keys.h"

namespace memlong::tools {
namespace {

std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

/// A TOML value as a word, the way a flag would give it.
std::string word_of(const toml::node& node, const std::string& source) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* number = node.as_floating_point()) {
    std::ostringstream stream;
    stream.precision(17);
    stream << number->get();
    return stream.str();
  }
  fail(ErrorKind::usage, source + " must be a text, a number, true or false, or a list of them");
}

}  // namespace

std::string environment_name(const std::string& option) {
  std::string name = "MEMLONG_" + option;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::toupper(c));
  });
  return name;
}

/// One TOML file, laid into an option set.
class OptionSources::File {
 public:
  File(OptionSet& set, std::string name) : set_(set), name_(std::move(name)) {}

  void read(const toml::table& table) {
    if (const auto* own = table[set_.program_].as_table()) {  // it wins
      shared_ = false;
      read(*own);
      shared_ = true;
    }
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (const toml::table* inner = node.as_table()) {
        read_table(name, *inner);
      } else {
        take(set_, name, name, node);
      }
    }
  }

 private:
  void read_table(const std::string& name, const toml::table& table) {
    if (name.starts_with("memlong-")) return;
    for (const auto& command : set_.commands_) {
      if (command->program_ != name) continue;
      for (const auto& [key, node] : table) {
        const std::string inner(key.str());
        take(*command, inner, name + "." + inner, node);
      }
      return;
    }
    if (shared_ && is_command_of_a_tool(name)) return;
    fail(ErrorKind::usage, name_ + ": unknown table [" + name + "]");
  }

  void take(OptionSet& set, const std::string& name, const std::string& path,
            const toml::node& node) {
    Option* option = set.find(with_dashes(name));
    if (option == nullptr) {
      if (shared_ && &set == &set_ && is_key_of_a_tool(with_dashes(name))) return;
      fail(ErrorKind::usage, name_ + ": unknown key '" + path + "' (see " + set.full_name() +
                                 " --help for the options there are)");
    }
    if (&set != &set_ && &set != set_.chosen_) return;
    const std::string source = "key " + path + " of " + name_;
    std::vector<std::string> words;
    if (const toml::array* array = node.as_array()) {
      for (const toml::node& each : *array) words.push_back(word_of(each, source));
    } else {
      words.push_back(word_of(node, source));
    }
    option->take(words, source);
  }

  OptionSet& set_;
  std::string name_;
  bool shared_ = true;  ///< not the tool's own table: what other tools know is passed over
};

void OptionSources::read(std::filesystem::path config) {
  std::string named_by = "--config";
  if (config.empty()) {
    if (const char* value = std::getenv("MEMLONG_CONFIG")) config = value;
    named_by = "MEMLONG_CONFIG";
  }
  if (!config.empty()) {
    std::string text;
    try {
      text = read_file(config, size_t{1} << 20);
    } catch (const Error& error) {
      fail(ErrorKind::usage, named_by + ": " + error.what());
    }
    toml::table table;
    try {
      table = toml::parse(text);
    } catch (const toml::parse_error& error) {
      fail(ErrorKind::usage, config.string() + " line " +
                                 std::to_string(error.source().begin.line) +
                                 ": not TOML: " + std::string(error.description()));
    }
    File(set_, config.string()).read(table);
  }
  read_environment(set_);
  if (set_.chosen_ != nullptr) read_environment(*set_.chosen_);
}

void OptionSources::read_environment(OptionSet& set) {
  for (Option& option : set.options_) {
    if (option.positional_) continue;
    const std::string name = environment_name(option.name_);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') continue;
    option.take(is_paths(option.target_) ? split(value, ':') : std::vector<std::string>{value},
                name);
  }
}

}  // namespace memlong::tools
