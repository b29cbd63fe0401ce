// JSON lines: one document a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/ingest_text.h"

namespace memlong::engine {

struct RowFields {
  std::string text = "text";
  std::string name = "name";  ///< optional in a row
};

struct Row {
  std::string text;
  std::string name;        ///< "" when the row has none
  std::string name_space;  ///< its "namespace" field, "" when it has none
};

/// The document of one line: the string under `fields.text`; where the row has no such field, its
/// "turns" or "messages" (a list of {"role", "content"}) as lines of "role: content". Errors:
/// format.
Row parse_row(std::string_view line, const RowFields& fields);

/// Longer lines are refused.
inline constexpr size_t kMaxRowBytes = size_t{64} << 20;

/// Lines of a file with their numbers (from 1). Not thread-safe.
class LineReader {
 public:
  explicit LineReader(ReadBlock read) : read_(std::move(read)) {}
  /// False at the end. `line` is without its newline.
  bool next(std::string& line);
  [[nodiscard]] int64_t number() const { return number_; }
  [[nodiscard]] int64_t line_bytes() const { return line_bytes_; }  ///< newline included
  [[nodiscard]] bool too_long() const { return too_long_; }  ///< longer than kMaxRowBytes: cut

 private:
  ReadBlock read_;
  std::string buffer_;
  size_t begin_ = 0;
  int64_t number_ = 0;
  int64_t line_bytes_ = 0;
  bool too_long_ = false;
};

}  // namespace memlong::engine
