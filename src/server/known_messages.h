// Clients send a dialog again and again; what of it does an open dialog hold already?
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "membank/types.h"
#include "tokenizer/chat_template.h"

namespace memlong::server {

/// Of a dialog that goes on under a name: so many of the first messages stand at its end. Clients
/// may send all of it, the last part of it, or only what is new. A system prompt that comes first
/// counts as known as soon as the dialog has begun. Of an answer the beginning is enough: who
/// leaves while it comes has not heard all of it. All messages: the dialog ends with the last one,
/// or with its answer, where they hold answers before it. Nothing: they hold answers, and none of
/// them is how the dialog ends.
std::optional<size_t> known_of_named(const std::vector<membank::Turn>& turns,
                                     const std::vector<tokenizer::Message>& messages);

/// Whether `messages` begin with all turns, and go on. White space around an answer does not count:
/// clients trim it.
bool continues(const std::vector<membank::Turn>& turns,
               const std::vector<tokenizer::Message>& messages);

}  // namespace memlong::server
