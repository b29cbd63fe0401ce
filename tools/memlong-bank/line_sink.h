// Lines to standard output or to a file that appears complete or not at all.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

namespace memlong::bank_tool {

class LineSink {
 public:
  explicit LineSink(std::filesystem::path file);  ///< empty: standard output
  LineSink(const LineSink&) = delete;
  LineSink& operator=(const LineSink&) = delete;
  ~LineSink();  ///< without finish() a file is removed again
  void line(const std::string& text);
  void finish();

 private:
  std::filesystem::path file_;
  std::filesystem::path part_;
  std::FILE* stream_ = nullptr;
};

}  // namespace memlong::bank_tool
