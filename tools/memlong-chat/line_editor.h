// A line from the person at the prompt: with editing and history on a terminal, plain elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace memlong::tools {

/// Not thread-safe; one at a time, for it owns the terminal while it reads.
class LineEditor {
 public:
  enum class Result : uint8_t {
    line,
    end,          ///< Ctrl-D on an empty line, or the end of the input
    interrupted,  ///< a stop was asked for (Ctrl-C); `line` holds what had been typed
  };

  /// `history`: file of earlier lines, made when it is not there (readable by its owner alone);
  /// empty: none is kept. `words`: what Tab completes at the start of a line. Never fails because
  /// of the history: it does without.
  LineEditor(std::filesystem::path history, std::vector<std::string> words);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// The next line without its newline. Without a terminal no prompt is shown. `keep`: into the
  /// history. Errors: io.
  Result read(const std::string& prompt, std::string& line, bool keep = true);
  [[nodiscard]] bool terminal() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace memlong::tools
