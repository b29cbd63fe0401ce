// POST /v1/chat/completions: what a client asks for, in OpenAI's words, with memlong's own beside
// them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "tokenizer/chat_template.h"

namespace memlong::server {

struct ChatRequest {
  std::vector<tokenizer::Message> messages;  ///< the last one is the user's
  std::string session;                       ///< under which the dialog is kept; "": it is not
  std::string name_space;                    ///< "": the server's
  bool stream = false;
  bool include_usage = false;  ///< of a stream: a last piece with the counts
  bool retrieved = false;      ///< the chunks that the answer read are told
  engine::GenerateOptions generate;
};

/// `defaults`: for what the request does not say. Fields that are not known are passed over; those
/// that would change the answer and are not supported (tools, n, logprobs, ...) are refused.
/// Errors: format, naming the field.
ChatRequest parse_chat_request(std::string_view body, const engine::GenerateOptions& defaults);

}  // namespace memlong::server
