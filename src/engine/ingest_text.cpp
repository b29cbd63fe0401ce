#include "engine/ingest_text.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "tokenizer/text_parts.h"

namespace memlong::engine {
namespace {

constexpr size_t kBlockBytes = size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Unicode's white space, and the byte order mark.
bool is_space(uint32_t code) {
  return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000 || code == 0xFEFF;
}

/// Eight plain ASCII bytes, none of them NUL?
bool plain_eight(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  constexpr uint64_t kHigh = 0x8080808080808080U;
  constexpr uint64_t kOnes = 0x0101010101010101U;
  return (word & kHigh) == 0 && (((word - kOnes) & ~word) & kHigh) == 0;
}

}  // namespace

void TextCheck::refuse() const {
  fail(ErrorKind::format, "not UTF-8: byte " + std::to_string(start_) +
                              " begins no valid character; convert the text to UTF-8");
}

void TextCheck::byte(uint8_t value, int64_t offset) {
  if (missing_ > 0) {
    if (value < low_ || value > high_) refuse();
    low_ = 0x80;
    high_ = 0xBF;
    code_ = (code_ << 6) | (value & 0x3FU);
    if (--missing_ == 0) visible_ = visible_ || !is_space(code_);
    return;
  }
  start_ = offset;
  if (value == 0) {
    fail(ErrorKind::format, "a binary file: byte " + std::to_string(offset) + " is zero");
  }
  if (value < 0x80) {
    visible_ = visible_ || !is_space(value);
    return;
  }
  if (value < 0xC2 || value > 0xF4) refuse();
  missing_ = value < 0xE0 ? 1 : value < 0xF0 ? 2 : 3;
  code_ = value & (0x3FU >> missing_);
  if (value == 0xE0) low_ = 0xA0;
  if (value == 0xED) high_ = 0x9F;
  if (value == 0xF0) low_ = 0x90;
  if (value == 0xF4) high_ = 0x8F;
}

void TextCheck::feed(std::string_view block) {
  size_t i = 0;
  while (i < block.size()) {
    if (visible_ && missing_ == 0 && i + 8 <= block.size() && plain_eight(block.data() + i)) {
      i += 8;
      continue;
    }
    byte(static_cast<uint8_t>(block[i]), bytes_ + static_cast<int64_t>(i));
    ++i;
  }
  bytes_ += static_cast<int64_t>(block.size());
}

void TextCheck::finish() const {
  if (missing_ > 0) refuse();
  if (bytes_ == 0) fail(ErrorKind::format, "empty");
  if (!visible_) fail(ErrorKind::format, "empty: nothing but white space");
}

void PieceReader::fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  while (!at_end_ && buffer_.size() <= kPieceBytes) {
    const size_t held = buffer_.size();
    buffer_.resize(held + kBlockBytes);
    const size_t got = read_(buffer_.data() + held, kBlockBytes);
    buffer_.resize(held + got);
    at_end_ = got == 0;
  }
}

std::optional<std::string> PieceReader::next() {
  if (buffer_.size() - begin_ <= kPieceBytes) fill();
  if (!started_) {
    started_ = true;
    if (buffer_.starts_with(kByteOrderMark)) buffer_.erase(0, kByteOrderMark.size());
    if (buffer_.size() <= kPieceBytes) fill();
  }
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (rest.empty()) return std::nullopt;
  std::string piece(tokenizer::first_part(rest, kPieceBytes));
  begin_ += piece.size();
  return piece;
}

std::string unix_lines(std::string_view text) {
  std::string lines;
  lines.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    lines += text[i];
  }
  return lines;
}

}  // namespace memlong::engine
