// Bytes to valid UTF-8, as they arrive.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace memlong {

/// Takes from the front of `pending` everything that is decided and returns it as valid UTF-8:
/// whole characters as they are, bytes that can never become one as U+FFFD (one for each longest
/// part of a character, as the Unicode standard advises). At most 3 bytes stay behind: the
/// beginning of a character whose rest has not come.
std::string take_characters(std::string& pending);

/// The same for the end of a text: what is incomplete gives U+FFFD, nothing stays behind.
std::string take_rest(std::string& pending);

/// How many bytes the first character of a text has (1 for what begins none). Not of an empty one.
size_t character_length(std::string_view text);

/// The greatest position <= `at` of a text at which a character begins (or its end). For bytes
/// that are no UTF-8 it is at most 3 below `at`.
size_t character_floor(std::string_view text, size_t at);

}  // namespace memlong
