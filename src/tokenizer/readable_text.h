// Ids as people read them, in lists of what was found.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

/// Text of the ids with " | " where special ids divide it, so that messages do not run together:
/// "in the fridge. | Noted." None at the ends; parts of nothing but white space are left out.
std::string readable_text(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                          std::string_view divider = " | ");

}  // namespace memlong::tokenizer
