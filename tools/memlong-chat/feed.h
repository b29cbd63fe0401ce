// A dialog from a file into the session.
#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tokenizer/chat_template.h"
#include "tools/memlong-chat/chat.h"

namespace memlong::tools {

struct FeedResult {
  int64_t turns = 0;   ///< added now
  int64_t known = 0;   ///< were there already
  int64_t tokens = 0;  ///< added now
  double seconds = 0;
};

/// Adds the messages that the session does not know yet, keeps them every now and then, and shows
/// how far it is. The session must be open. Errors: stopped, after what was read was kept.
FeedResult feed_dialog(Chat& chat, const std::vector<tokenizer::Message>& messages);

nlohmann::ordered_json feed_json(const Chat& chat, const FeedResult& result);

}  // namespace memlong::tools
