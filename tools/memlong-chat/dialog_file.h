// Dialogs in files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "membank/types.h"
#include "tokenizer/chat_template.h"

namespace memlong::tools {

/// The messages of a dialog, in order. Three spellings are known:
///   {"turns": [{"role": "user", "content": "..."}]} (or "messages"), one object; or one a line,
///   read one after the other; a line may also be one {"role", "content"}; or a list of those;
///   plain text, where "User:", "Assistant:" or "System:" at the start of a line begins a message
///   that goes on to the next such line.
/// `name` stands in messages. Errors: format, naming the turn or the line; an empty dialog too.
std::vector<tokenizer::Message> parse_dialog(std::string_view text, const std::string& name);

/// Errors: io, format.
std::vector<tokenizer::Message> read_dialog(const std::filesystem::path& file);

/// How many messages of `dialog` stand in the session already: a dialog that was cut short goes on
/// where it was, a whole one is not read twice. A system prompt in front of the session's turns is
/// passed over when the dialog has none. 0 when the two differ.
size_t known_messages(const std::vector<membank::Turn>& turns,
                      const std::vector<tokenizer::Message>& dialog);

/// Bytes that are not UTF-8 become U+FFFD.
std::string clean_utf8(std::string_view text);

}  // namespace memlong::tools
