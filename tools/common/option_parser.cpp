#include "tools/common/option_parser.h"

#include <algorithm>

#include "common/error.h"
#include "tools/common/text.h"

namespace memlong::tools {
namespace {

std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

void OptionParser::parse(int argc, const char* const* argv) {
  words_.assign(argv + std::min(argc, 1), argv + argc);
  while (next_ < words_.size()) {
    const std::string word = words_[next_++];
    if (!only_words_ && word == "--") {
      only_words_ = true;
    } else if (is_option_word(word)) {
      take_option(word);
    } else {
      take_word(word);
    }
  }
  if (!root_.help_ && !root_.version_) finish();
}

bool OptionParser::is_command(const std::string& word) const {
  return std::any_of(current_->commands_.begin(), current_->commands_.end(),
                     [&word](const auto& command) { return command->program_ == word; });
}

bool OptionParser::is_option_word(const std::string& word) const {
  return !only_words_ && word.size() > 1 && word[0] == '-';
}

void OptionParser::take_word(const std::string& word) {
  if (current_->commands_.empty() || only_words_) {
    free_words_.push_back(word);
    return;
  }
  for (const auto& command : current_->commands_) {
    if (command->program_ != word) continue;
    root_.chosen_ = command.get();
    current_ = command.get();
    return;
  }
  std::string best;
  size_t distance = 3;
  for (const auto& command : current_->commands_) {
    const size_t d = edit_distance(word, command->program_);
    if (d >= distance || d >= command->program_.size()) continue;
    distance = d;
    best = command->program_;
  }
  current_->fail_usage("there is no command '" + one_line(word, 40) + "'" +
                       (best.empty() ? "" : "; did you mean " + best + "?"));
}

void OptionParser::take_option(const std::string& word) {
  const bool is_long = word.starts_with("--");
  const size_t equals = is_long ? word.find('=') : std::string::npos;
  const bool has_value = equals != std::string::npos;
  const std::string flag = word.substr(0, equals);
  const std::string value = has_value ? word.substr(equals + 1) : "";
  std::string name = with_dashes(flag.substr(is_long ? 2 : 1));
  if (take_builtin(is_long ? name : flag, has_value, value)) return;

  Option* option = nullptr;
  if (is_long) {
    option = current_->find(name);
    if (option == nullptr && name.starts_with("no-") && !has_value) {
      option = current_->find(name.substr(3));
      if (option == nullptr || !is_flag(option->target_)) unknown(flag);
      return take_flag(*option, flag, false);
    }
  } else if (name.size() == 1) {
    for (OptionSet* set = current_; set != nullptr && option == nullptr; set = set->parent_) {
      for (Option& each : set->options_) {
        if (each.short_name_ == name[0]) option = &each;
      }
    }
  }
  if (option == nullptr || option->positional_) unknown(flag);
  Given& given = given_[option];
  given.flag = flag;
  if (!is_list(option->target_)) given.values.clear();
  if (is_flag(option->target_)) {
    given.values = {has_value ? value : "true"};
    return;
  }
  given.values.push_back(has_value ? value : next_value(flag));
  while (is_paths(option->target_) && next_ < words_.size() && !is_option_word(words_[next_]) &&
         !is_command(words_[next_])) {
    given.values.push_back(words_[next_++]);
  }
}

bool OptionParser::take_builtin(const std::string& name, bool has_value, const std::string& value) {
  if (name == "help" || name == "-h") {
    root_.help_ = true;
  } else if (name == "version") {
    root_.version_ = true;
  } else if (name == "dump-config") {
    root_.dump_config_ = true;
  } else if (name == "config") {
    root_.config_ = has_value ? value : next_value("--config");
    if (root_.config_.empty()) fail(ErrorKind::usage, "--config needs a file");
  } else {
    return false;
  }
  return true;
}

void OptionParser::take_flag(Option& option, const std::string& flag, bool value) {
  given_[&option] = {flag, {value ? "true" : "false"}};
}

std::string OptionParser::next_value(const std::string& flag) {
  if (next_ >= words_.size()) fail(ErrorKind::usage, flag + " needs a value");
  const std::string& word = words_[next_];
  if (word.starts_with("--") && word.size() > 2) {
    const std::string name = with_dashes(word.substr(2, word.find('=') - 2));
    const bool builtin = name == "config" || name == "help" || name == "dump-config";
    if (builtin || current_->find(name) != nullptr) {
      fail(ErrorKind::usage,
           flag + " needs a value, not " + word + " (" + flag + "=" + word + " gives it this one)");
    }
  }
  ++next_;
  return word;
}

void OptionParser::unknown(const std::string& flag) const {
  std::string best;
  size_t distance = 3;
  for (const OptionSet* set = current_; set != nullptr; set = set->parent_) {
    for (const Option& option : set->options_) {
      const size_t d = edit_distance(flag, "--" + option.name_);
      if (option.positional_ || d >= distance) continue;
      distance = d;
      best = "--" + option.name_;
    }
  }
  current_->fail_usage("there is no option " + one_line(flag, 40) +
                       (best.empty() ? "" : "; did you mean " + best + "?"));
}

void OptionParser::take_positionals() {
  size_t used = 0;
  for (Option& option : current_->options_) {
    if (!option.positional_ || used == free_words_.size()) continue;
    const size_t count = is_list(option.target_) ? free_words_.size() - used : 1;
    const auto begin = free_words_.begin() + static_cast<std::ptrdiff_t>(used);
    option.take({begin, begin + static_cast<std::ptrdiff_t>(count)}, option.placeholder_);
    used += count;
  }
  if (used < free_words_.size()) {
    current_->fail_usage("'" + one_line(free_words_[used], 40) + "' is not expected here");
  }
}

void OptionParser::finish() {
  for (auto& [option, given] : given_) option->take(given.values, given.flag);
  take_positionals();
}

}  // namespace memlong::tools
