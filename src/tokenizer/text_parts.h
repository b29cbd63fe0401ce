// Long texts in parts that the tokenizer can take at once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace memlong::tokenizer {

/// The longest part, in bytes, that is encoded at once.
inline constexpr size_t kPartBytes = size_t{64} << 10;

/// The beginning of `text` that is encoded first: all of it up to `limit` bytes; else up to the
/// last place where a cut changes no ids: before a space behind a visible character. Where there is
/// none in the second half (no spaces, or behind characters that are not told from white space:
/// Chinese, Japanese), behind a line, best between visible characters; else whole characters.
/// Depends on the first limit + 1 bytes alone.
std::string_view first_part(std::string_view text, size_t limit = kPartBytes);

/// Runs of spaces as one space.
std::string merge_spaces(std::string_view text);

}  // namespace memlong::tokenizer
