// Answers in the JSON that OpenAI's clients read: whole, or as events of a stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "engine/session.h"

namespace memlong::server {

/// Tokens of a dialog up to the answer.
struct PromptTokens {
  int64_t all = 0;
  int64_t cached = 0;  ///< of them, those that the dialog held before the request
};

/// One answer of the model, as it becomes known. Not thread-safe.
class ChatReply {
 public:
  explicit ChatReply(std::string model);

  // A stream: opening, any number of pieces, then closing.
  [[nodiscard]] std::string opening() const;
  [[nodiscard]] std::string piece(std::string_view text) const;
  /// `about`: what memlong tells beside it.
  [[nodiscard]] std::string closing(const engine::Answer& answer, const PromptTokens& prompt,
                                    const nlohmann::ordered_json& about, bool with_usage) const;

  [[nodiscard]] std::string whole(const engine::Answer& answer, const PromptTokens& prompt,
                                  const nlohmann::ordered_json& about) const;

 private:
  [[nodiscard]] nlohmann::ordered_json base(const char* object) const;
  [[nodiscard]] nlohmann::ordered_json event(const nlohmann::ordered_json& delta,
                                             const char* finish) const;

  std::string id_;
  std::string model_;
  int64_t created_;
};

/// "data: {...}\n\n"
std::string as_event(const nlohmann::ordered_json& value);

}  // namespace memlong::server
