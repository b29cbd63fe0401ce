// How far a long job is: a bar with rate and time left on a terminal, a plain line every few
// seconds elsewhere, nothing when quiet. Writes to standard error only.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace memlong::tools {

enum class ProgressStyle : uint8_t { automatic, bar, lines, none };

struct ProgressState {
  std::string label;
  std::string unit;  ///< "tokens", "chunks"; "bytes" is shown as MiB
  int64_t done = 0;
  int64_t total = 0;  ///< 0: not known
  int64_t first = 0;  ///< what was done before the clock began to run
  double seconds = 0;
  std::string note;
};

/// "read  [#####     ]  50 %  12.0k/24.0k tokens  1.5k/s  8s left  note", at most `width` columns.
std::string format_progress_bar(const ProgressState& state, int width);
/// "read: 12.0k of 24.0k tokens (50 %), 1.5k/s, 8s left, note"
std::string format_progress_line(const ProgressState& state);

/// Thread-safe. The last state is printed by finish(), or by the destructor, unless an exception is
/// on its way; in the style of lines only when the job took long enough for a line before.
class Progress {
 public:
  Progress(std::string label, std::string unit, int64_t total,
           ProgressStyle style = ProgressStyle::automatic);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void set_total(int64_t total);
  void begin_at(int64_t first);  ///< what an earlier process did counts for no rate
  void update(int64_t done);
  void add(int64_t more);
  void note(const std::string& text);         ///< shown behind the figures
  void print_above(const std::string& line);  ///< a line of its own on standard error
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void show(bool last);  ///< mutex_ is held

  std::mutex mutex_;
  ProgressState state_;
  ProgressStyle style_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_;
  bool finished_ = false;
  bool bar_on_screen_ = false;
  bool spoke_ = false;
};

}  // namespace memlong::tools
