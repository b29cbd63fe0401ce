#include <algorithm>

#include "tools/common/option_sources.h"
#include "tools/common/options.h"
#include "tools/common/text.h"

namespace memlong::tools {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kColumn = 30;  ///< where descriptions begin

/// Breaks at blanks; every line after the first is indented.
std::string wrap(const std::string& text, size_t indent, size_t width) {
  std::string out;
  size_t column = indent;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find(' ', begin);
    if (end == std::string::npos) end = text.size();
    const std::string word = text.substr(begin, end - begin);
    if (column > indent && column + 1 + display_width(word) > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += display_width(word);
    begin = end + 1;
  }
  return out;
}

std::string entry(const std::string& left, const std::string& right) {
  std::string line = "  " + left;
  if (line.size() + 2 > kColumn) {
    line += "\n" + std::string(kColumn, ' ');
  } else {
    line.resize(kColumn, ' ');
  }
  return line + wrap(right, kColumn, kWidth) + "\n";
}

}  // namespace

std::string usage_line(const OptionSet& set) {
  std::string usage = "Usage: " + set.full_name();
  if (!set.commands_.empty()) usage += " COMMAND";
  for (const OptionSet* each = &set; each != nullptr; each = each->parent_) {
    for (const Option& option : each->options_) {
      if (option.positional_ || !option.required_) continue;
      usage += " --" + option.name_ + " " + option.placeholder_;
    }
  }
  usage += " [options]";
  for (const Option& option : set.options_) {
    if (!option.positional_) continue;
    usage += option.required_ ? " " + option.placeholder_ : " [" + option.placeholder_ + "]";
  }
  return usage + "\n\n";
}

std::string option_line(const Option& option) {
  std::string left = option.positional_ ? option.placeholder_ : "--" + option.name_;
  if (option.short_name_ != 0) left = std::string("-") + option.short_name_ + ", " + left;
  if (!option.positional_ && !option.placeholder_.empty()) left += " " + option.placeholder_;
  std::string right = option.help_;
  for (size_t i = 0; i < option.choices_.size(); ++i) {
    right += (i == 0 ? ": " : ", ") + option.choices_[i];
  }
  if (!option.default_text_.empty() && !option.positional_) {
    right += " [" + option.default_text_ + "]";
  }
  return entry(left, right);
}

std::string format_help(const OptionSet& set) {
  std::string out = usage_line(set) + wrap(set.description_, 0, kWidth) + "\n";
  if (!set.commands_.empty()) out += "\nCommands:\n";
  for (const auto& command : set.commands_) {
    out += entry(command->program_, command->description_);
  }
  std::vector<std::pair<std::string, std::string>> groups;  // heading, lines
  for (const OptionSet* each = &set; each != nullptr; each = each->parent_) {
    for (const Option& option : each->options_) {
      const auto same = [&option](const auto& group) { return group.first == option.group_; };
      auto group = std::find_if(groups.begin(), groups.end(), same);
      if (group == groups.end()) group = groups.insert(group, {option.group_, ""});
      group->second += option_line(option);
    }
  }
  for (const auto& [heading, lines] : groups) out += "\n" + heading + ":\n" + lines;
  out += "\nGeneral:\n";
  out += entry("--config FILE", "read options from a TOML file; flags win over it");
  out += entry("--dump-config", "print all options in force as TOML, and end");
  out += entry("-h, --help", "print this, and end");
  out += entry("--version", "print the version, and end");
  out += "\n" +
         wrap(
             "Every option is also a key of the TOML file (top-k = 8) and an environment variable "
             "(MEMLONG_TOP_K=8); a flag wins over the file, the file over the environment.",
             0, kWidth) +
         "\n";
  if (!set.epilog_.empty()) out += "\n" + set.epilog_ + (set.epilog_.back() == '\n' ? "" : "\n");
  return out;
}

std::string format_config(const OptionSet& set) {
  const auto section = [](const OptionSet& each) {
    std::string out;
    std::string group;
    for (const Option& option : each.options_) {
      if (option.group_ != group) {
        group = option.group_;
        out += std::string(out.empty() ? "" : "\n") + "# " + group + "\n";
      }
      const bool given = !option.given_by_.empty();
      const std::optional<std::string> value = to_toml(option.target_, given);
      const std::string key = value ? option.name_ + " = " + *value : "# " + option.name_ + " =";
      out += key;
      if (given) {
        const std::string source =
            option.positional_ ? "command line" : one_line(option.given_by_, 200);
        out += std::string(key.size() < 40 ? 40 - key.size() : 1, ' ') + "# " + source;
      }
      out += "\n";
    }
    return out;
  };
  std::string out = "# " + version_line(set.program_) + "\n" + section(set);
  if (set.chosen_ != nullptr) {
    out += "\n[" + set.chosen_->program_ + "]\n" + section(*set.chosen_);
  }
  return out;
}

}  // namespace memlong::tools
