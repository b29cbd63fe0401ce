#include "tools/common/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include "tools/common/text.h"

namespace memlong::tools {
namespace {

constexpr int kBarWidth = 24;
constexpr auto kBarPause = std::chrono::milliseconds(100);
constexpr auto kLinePause = std::chrono::seconds(5);

double share_of(const ProgressState& s) {
  if (s.total <= 0) return 0;
  return std::clamp(static_cast<double>(s.done) / static_cast<double>(s.total), 0.0, 1.0);
}

std::string amount(const ProgressState& s, int64_t value) {
  const auto number = static_cast<double>(value);
  return s.unit == "bytes" ? human_bytes(number) : human_count(number);
}

std::string rate_of(const ProgressState& s) {
  if (s.seconds <= 0 || s.done <= s.first) return "";
  const double rate = static_cast<double>(s.done - s.first) / s.seconds;
  return (s.unit == "bytes" ? human_bytes(rate) : human_count(rate)) + "/s";
}

std::string time_of(const ProgressState& s) {
  const bool ended = s.total > 0 && s.done >= s.total;
  if (s.total <= 0 || ended) return human_duration(s.seconds);
  if (s.done <= s.first || s.seconds < 0.5) return "";
  const auto done = static_cast<double>(s.done - s.first);
  return human_duration(s.seconds * static_cast<double>(s.total - s.done) / done) + " left";
}

std::string unit_of(const ProgressState& s) { return s.unit == "bytes" ? "" : " " + s.unit; }

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

void write_error(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string format_progress_bar(const ProgressState& s, int width) {
  std::string out = s.label;
  const auto join = [&out](const std::string& part) {
    if (!part.empty()) out += (out.empty() ? "" : "  ") + part;
  };
  if (s.total > 0) {
    const auto full = static_cast<size_t>(share_of(s) * kBarWidth);
    join("[" + std::string(full, '#') + std::string(kBarWidth - full, ' ') + "]");
    join(fixed(std::floor(100 * share_of(s)), 0) + " %");
    join(amount(s, s.done) + "/" + amount(s, s.total) + unit_of(s));
  } else {
    join(amount(s, s.done) + unit_of(s));
  }
  join(rate_of(s));
  join(time_of(s));
  join(s.note);
  return cut(out, static_cast<size_t>(std::max(width, 10)));
}

std::string format_progress_line(const ProgressState& s) {
  std::string out = s.label + ": " + amount(s, s.done);
  if (s.total > 0) {
    out += " of " + amount(s, s.total) + unit_of(s) + " (" +
           fixed(std::floor(100 * share_of(s)), 0) + " %)";
  } else {
    out += unit_of(s);
  }
  for (const std::string& part : {rate_of(s), time_of(s), s.note}) {
    if (!part.empty()) out += ", " + part;
  }
  return escape_terminal(out);
}

Progress::Progress(std::string label, std::string unit, int64_t total, ProgressStyle style)
    : style_(style), shown_(start_) {
  state_.label = std::move(label);
  state_.unit = std::move(unit);
  state_.total = total;
  if (style_ == ProgressStyle::automatic) {
    style_ = isatty(STDERR_FILENO) == 1 ? ProgressStyle::bar : ProgressStyle::lines;
  }
}

Progress::~Progress() {
  if (std::uncaught_exceptions() == 0) {
    finish();
  } else if (bar_on_screen_) {
    write_error("\n");
  }
}

void Progress::set_total(int64_t total) {
  const std::lock_guard lock(mutex_);
  state_.total = total;
}

void Progress::begin_at(int64_t first) {
  const std::lock_guard lock(mutex_);
  state_.first = first;
  state_.done = first;
  start_ = Clock::now();
}

void Progress::update(int64_t done) {
  const std::lock_guard lock(mutex_);
  state_.done = done;
  show(false);
}

void Progress::add(int64_t more) {
  const std::lock_guard lock(mutex_);
  state_.done += more;
  show(false);
}

void Progress::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  state_.note = text;
  show(false);
}

void Progress::print_above(const std::string& line) {
  const std::lock_guard lock(mutex_);
  write_error((bar_on_screen_ ? "\r\x1b[K" : "") + line + "\n");
  bar_on_screen_ = false;
  if (style_ == ProgressStyle::bar) shown_ = Clock::time_point{};  // draw it again, below the line
  show(false);
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  show(true);
  if (bar_on_screen_) write_error("\n");
  bar_on_screen_ = false;
}

void Progress::show(bool last) {
  if (style_ == ProgressStyle::none || (finished_ && !last)) return;
  const Clock::time_point now = Clock::now();
  const bool bar = style_ == ProgressStyle::bar;
  const Clock::duration pause = bar ? Clock::duration(kBarPause) : Clock::duration(kLinePause);
  const bool due = now - shown_ >= pause;
  if (!due && !(last && (bar || spoke_))) return;
  spoke_ = true;
  shown_ = now;
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  if (bar) {
    write_error("\r" + format_progress_bar(state_, terminal_width() - 1) + "\x1b[K");
    bar_on_screen_ = true;
  } else {
    write_error(format_progress_line(state_) + "\n");
  }
}

}  // namespace memlong::tools
