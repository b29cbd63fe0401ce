// A memlong-chat that stays open while the test does other things.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "tools/run_tool.h"

namespace memlong::tools_test {

class OpenTalk {
 public:
  /// Starts memlong-chat with these words. Its output goes to files in `folder`.
  OpenTalk(const TempFolder& folder, const std::vector<std::string>& words);
  OpenTalk(const OpenTalk&) = delete;
  OpenTalk& operator=(const OpenTalk&) = delete;
  ~OpenTalk();

  /// Sends a line.
  void say(const std::string& line);
  /// Waits, two minutes at most, until something new stands on standard output that has `wanted`
  /// in it, and returns what is new.
  std::string hear(const std::string& wanted);
  /// Ends the input and waits for the tool. What it has said since the last hear() is `out`.
  ToolResult end();

 private:
  std::string out_;
  std::string err_;
  std::FILE* input_ = nullptr;
  size_t heard_ = 0;
};

}  // namespace memlong::tools_test
