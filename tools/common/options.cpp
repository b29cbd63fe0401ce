#include "tools/common/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/error.h"
#include "tensor/device.h"
#include "tools/common/option_parser.h"
#include "tools/common/option_sources.h"
#include "tools/common/output.h"
#include "tools/common/size.h"

namespace memlong::tools {

Option::Option(std::string name, OptionTarget target, std::string help, std::string group)
    : name_(std::move(name)),
      target_(target),
      help_(std::move(help)),
      group_(std::move(group)),
      placeholder_(tools::placeholder(target)) {
  const std::vector<std::string> words = to_words(target);
  if (is_flag(target)) {
    if (words == std::vector<std::string>{"true"}) default_text_ = "on";
    return;
  }
  for (const std::string& word : words) default_text_ += (default_text_.empty() ? "" : ",") + word;
}

Option& Option::value(std::string placeholder) {
  placeholder_ = std::move(placeholder);
  return *this;
}
Option& Option::short_name(char letter) {
  short_name_ = letter;
  return *this;
}
Option& Option::choices(std::vector<std::string> names) {
  choices_ = std::move(names);
  return *this;
}
Option& Option::range(double low, double high) {
  low_ = low;
  high_ = high;
  return *this;
}
Option& Option::size() {
  size_ = true;
  return value("SIZE");
}
Option& Option::existing() {
  existing_ = true;
  return *this;
}
Option& Option::required() {
  required_ = true;
  return *this;
}
Option& Option::verbatim() {
  verbatim_ = true;
  return *this;
}
Option& Option::default_text(std::string text) {
  default_text_ = std::move(text);
  return *this;
}

namespace {

/// Words with a unit as plain numbers; plain numbers stay as they are.
std::vector<std::string> in_bytes(std::vector<std::string> words, const std::string& source) {
  for (std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
    if (!plain) word = std::to_string(parse_size(word, source));
  }
  return words;
}

/// Without an exponent where people would write none.
std::string limit_text(double limit) {
  char buffer[64];
  const double size = std::fabs(limit);
  const bool fixed = limit == 0 || (size >= 1e-4 && size < 1e19);
  const auto end = fixed ? std::to_chars(buffer, buffer + 64, limit, std::chars_format::fixed).ptr
                         : std::to_chars(buffer, buffer + 64, limit).ptr;
  return {buffer, end};
}

}  // namespace

void Option::take(const std::vector<std::string>& words, const std::string& source) {
  if (!given_by_.empty()) return;
  assign(target_, size_ ? in_bytes(words, source) : words, verbatim_, source);
  check(source);
  given_by_ = source;
}

void Option::check(const std::string& source) const {
  for (const std::string& word : to_words(target_)) {
    if (!choices_.empty() && std::find(choices_.begin(), choices_.end(), word) == choices_.end()) {
      std::string list;
      for (const std::string& name : choices_) list += (list.empty() ? "" : ", ") + name;
      fail(ErrorKind::usage, source + ": '" + word + "' is none of " + list);
    }
    if (high_ < low_) continue;
    double number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    if (number < low_ || number > high_) {
      fail(ErrorKind::usage, source + ": " + word + " is not between " + limit_text(low_) +
                                 " and " + limit_text(high_));
    }
  }
}

void Option::check_existing() const {
  if (!existing_) return;
  for (const std::string& word : to_words(target_)) {
    std::error_code error;
    if (word.empty() || word == "-") continue;
    const auto type = std::filesystem::status(word, error).type();
    if (type != std::filesystem::file_type::not_found) continue;  // others say more when it is read
    fail(ErrorKind::usage,
         (positional_ ? placeholder_ : "--" + name_) + ": " + word + ": No such file or directory");
  }
}

OptionSet::OptionSet(std::string program, std::string description)
    : program_(std::move(program)), description_(std::move(description)) {}

OptionSet& OptionSet::group(std::string heading) {
  heading_ = std::move(heading);
  return *this;
}

Option& OptionSet::add(const std::string& name, OptionTarget target, const std::string& help) {
  MEMLONG_CHECK(find(name) == nullptr, "option --" + name + " is declared twice");
  return options_.emplace_back(name, target, help, heading_);
}

Option& OptionSet::positional(const std::string& name, OptionTarget target,
                              const std::string& help) {
  Option& option = options_.emplace_back(name, target, help, "Arguments");
  option.positional_ = true;
  option.verbatim_ = true;
  return option;
}

OptionSet& OptionSet::command(const std::string& name, const std::string& description) {
  commands_.push_back(std::make_unique<OptionSet>(name, description));
  commands_.back()->parent_ = this;
  return *commands_.back();
}

OptionSet& OptionSet::epilog(std::string text) {
  epilog_ = std::move(text);
  return *this;
}

bool OptionSet::parse(int argc, const char* const* argv) {
  OptionParser(*this).parse(argc, argv);
  const OptionSet& shown = chosen_ != nullptr ? *chosen_ : *this;
  if (help_) {
    print_out(format_help(shown));
    return false;
  }
  if (version_) {
    print_out(version_line(program_) + "\n");
    return false;
  }
  OptionSources(*this).read(config_);
  if (dump_config_) {
    print_out(format_config(*this));
    return false;
  }
  if (!commands_.empty() && chosen_ == nullptr) {
    std::string names;
    for (const auto& command : commands_) {
      names += (names.empty() ? "" : ", ") + command->program_;
    }
    fail_usage("which command? One of " + names);
  }
  check_required();
  if (chosen_ != nullptr) chosen_->check_required();
  return true;
}

void OptionSet::check_required() const {
  for (const Option& option : options_) {
    option.check_existing();
    if (!option.required_ || !option.given_by_.empty()) continue;
    fail_usage(option.positional_ ? option.placeholder_ + " is missing"
                                  : "--" + option.name_ + " is missing");
  }
}

std::string OptionSet::full_name() const {
  return parent_ != nullptr ? parent_->full_name() + " " + program_ : program_;
}

std::string OptionSet::chosen() const { return chosen_ != nullptr ? chosen_->program_ : ""; }

Option* OptionSet::find(const std::string& name) {
  for (OptionSet* set = this; set != nullptr; set = set->parent_) {
    for (Option& option : set->options_) {
      if (option.name_ == name) return &option;
    }
  }
  return nullptr;
}

bool OptionSet::given(const std::string& name) const {
  for (const OptionSet* set : {static_cast<const OptionSet*>(chosen_), this}) {
    if (set == nullptr) continue;
    for (const Option& option : set->options_) {
      if (option.name_ == name) return !option.given_by_.empty();
    }
  }
  return false;
}

void OptionSet::fail_usage(const std::string& message) const {
  const OptionSet& shown = chosen_ != nullptr ? *chosen_ : *this;
  fail(ErrorKind::usage, message + " (see " + shown.full_name() + " --help)");
}

std::string version_line(const std::string& program) {
  return program + " " + MEMLONG_VERSION + (kHasCuda ? " (CPU and CUDA)" : " (CPU)");
}

}  // namespace memlong::tools
