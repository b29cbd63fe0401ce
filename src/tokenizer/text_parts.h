// Long texts in parts that the tokenizer can take at once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace memlong::tokenizer {

/// The longest part, in bytes, that is given to the library in one call.
inline constexpr size_t kPartBytes = size_t{64} << 10;

/// The beginning of `text` that is encoded first: all of it up to kPartBytes; else up to the last
/// place in the second half of those bytes where a cut changes no ids (behind a line, before a
/// space); else, where there is none, whole characters. Depends on the bytes alone.
std::string_view first_part(std::string_view text);

/// Runs of spaces as one space.
std::string merge_spaces(std::string_view text);

}  // namespace memlong::tokenizer
