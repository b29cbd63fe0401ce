// Text as it comes from a file: is it text at all, and where is it cut before it is tokenized?
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace memlong::engine {

/// Checks text that comes in blocks of any size. Not thread-safe.
class TextCheck {
 public:
  /// Errors: format, naming the byte offset: not UTF-8 (overlong forms, surrogates and values above
  /// U+10FFFF included), or a NUL byte (a binary file).
  void feed(std::string_view block);
  /// The end of the text. Errors: format, when it ends inside a character, or holds nothing but
  /// white space.
  void finish() const;
  /// So far there was nothing but white space.
  [[nodiscard]] bool blank() const { return !visible_ && missing_ == 0; }

 private:
  void byte(uint8_t value, int64_t offset);
  [[noreturn]] void refuse() const;

  int64_t bytes_ = 0;
  int64_t start_ = 0;   ///< offset of the character that is being read
  int missing_ = 0;     ///< continuation bytes that it still needs
  uint32_t code_ = 0;   ///< of it, as far as it was read
  uint8_t low_ = 0x80;  ///< bounds of the next one
  uint8_t high_ = 0xBF;
  bool visible_ = false;  ///< something other than white space was there
};

/// No piece is longer.
inline constexpr size_t kPieceBytes = size_t{16} << 10;

/// Fills at most `size` bytes and returns how many; 0 at the end. Errors: io.
using ReadBlock = std::function<size_t(char* to, size_t size)>;

/// Hands out a text piece by piece, cut as tokenizer::first_part() says; holds some pieces at most.
/// A byte order mark at the start is left out. Not thread-safe.
class PieceReader {
 public:
  explicit PieceReader(ReadBlock read) : read_(std::move(read)) {}
  /// Nothing at the end.
  std::optional<std::string> next();

 private:
  void fill();

  ReadBlock read_;
  std::string buffer_;
  size_t begin_ = 0;
  bool at_end_ = false;
  bool started_ = false;
};

/// The text as the tokenizer gets it: "\r\n" becomes "\n".
std::string unix_lines(std::string_view text);

}  // namespace memlong::engine
