// Nesting of JSON text, before a parser sees it.
#pragma once

#include <string>
#include <string_view>

namespace memlong {

/// Copying, comparing and printing a parsed value take stack for every level. Errors: format, for
/// text that opens more than 200 objects and lists inside each other; `origin` begins the message.
/// Whether it is JSON at all is the parser's question.
void check_json_depth(std::string_view text, const std::string& origin);

}  // namespace memlong
