// An option set over a few variables, parsed from words, a file and the environment.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/options.h"

namespace memlong::tools_test {

/// Sets a variable for the life of the object.
class Environment {
 public:
  Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = getenv(name_.c_str())) before_ = before;
    setenv(name_.c_str(), value.c_str(), 1);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    if (before_) {
      setenv(name_.c_str(), before_->c_str(), 1);
    } else {
      unsetenv(name_.c_str());
    }
  }

 private:
  std::string name_;
  std::optional<std::string> before_;
};

struct OptionHarness {
  int64_t top_k = 8;
  double temp = 0.8;
  bool json = false;
  std::string name = "x";
  std::optional<int64_t> window;
  std::vector<int64_t> lengths;
  std::vector<std::string> stops;
  std::vector<std::filesystem::path> files;
  std::vector<std::filesystem::path> paths;
  std::string mode = "on";
  int64_t list_limit = 5;
  int64_t bytes = 0;
  std::filesystem::path there;
  tools::OptionSet set{"memlong-x", "Tries things out."};
  tools::OptionSet* list = nullptr;

  explicit OptionHarness(bool with_commands = false) {
    set.group("Sampling");
    set.add("top-k", &top_k, "candidates").range(1, 100);
    set.add("temp", &temp, "temperature");
    set.add("json", &json, "as JSON");
    set.add("name", &name, "a name").short_name('n');
    set.add("window", &window, "tokens of a window");
    set.add("lengths", &lengths, "context lengths");
    set.add("stop", &stops, "ends an answer").verbatim();
    set.add("text", &files, "files to read").value("FILE...");
    set.add("mode", &mode, "how").choices({"on", "off"});
    set.add("bytes", &bytes, "most bytes").size().range(0, 1e18);
    set.add("there", &there, "a file").existing();
    if (with_commands) {
      list = &set.command("list", "Lists.");
      list->add("limit", &list_limit, "at most so many");
      list->positional("subject", &paths, "what").value("WHAT...");
      set.command("verify", "Checks.");
    } else {
      set.positional("paths", &paths, "what to read").value("PATH...");
    }
  }

  bool parse(std::vector<std::string> words) {
    std::vector<const char*> argv = {"memlong-x"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    return set.parse(static_cast<int>(argv.size()), argv.data());
  }
};

}  // namespace memlong::tools_test
