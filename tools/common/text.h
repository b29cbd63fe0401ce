// Text for people: what is safe on a terminal, sizes, durations, tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memlong::tools {

/// Makes text harmless on a terminal: control characters (C0, DEL, C1), direction overrides and
/// bytes that are not UTF-8 are spelled "\x1b", "\u202e", U+FFFD. Newlines and tabs stay when
/// `keep_lines`, and are spelled "\n", "\t" otherwise.
std::string escape_terminal(std::string_view text, bool keep_lines = false);

/// JSON text with the same characters spelled as "\u009b" and the like: the same JSON.
std::string escape_json(std::string_view json);

/// escape_terminal, and at most `width` characters: what is longer ends in "...".
std::string cut(std::string_view text, size_t width);

/// White space runs as one blank, then cut().
std::string one_line(std::string_view text, size_t width);

size_t display_width(std::string_view text);    ///< UTF-8 characters
std::string human_bytes(double bytes);          ///< "512 B", "1.5 KiB", "3.2 GiB"
std::string human_count(double count);          ///< "950", "12.3k", "4.5M"
std::string human_duration(double seconds);     ///< "0.4s", "12s", "3m05s", "2h10m", "4d03h"
std::string percent(double share);              ///< 0.5 -> "50.0 %"
std::string fixed(double value, int decimals);  ///< printf "%.*f"
std::string group_digits(int64_t value);        ///< "1 234 567"

/// Columns in line; numbers to the right.
class Table {
 public:
  /// A heading that begins with '>' belongs to a column that stands to the right.
  explicit Table(const std::vector<std::string>& headings);
  void row(std::vector<std::string> cells);
  [[nodiscard]] size_t rows() const { return rows_.size(); }
  [[nodiscard]] std::string text() const;      ///< plain, two blanks between columns
  [[nodiscard]] std::string markdown() const;  ///< a Markdown table

 private:
  [[nodiscard]] std::vector<size_t> widths() const;
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// "key:   value" lines with the values in one column.
std::string key_values(const std::vector<std::pair<std::string, std::string>>& rows);

}  // namespace memlong::tools
