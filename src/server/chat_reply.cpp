#include "server/chat_reply.h"

#include <random>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "server/json_body.h"

namespace memlong::server {

using json = nlohmann::ordered_json;

namespace {

std::string new_id() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string id = "chatcmpl-";
  for (int word = 0; word < 4; ++word) {
    unsigned bits = random();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) id += kDigits[bits & 15];
  }
  return id;
}

const char* finish_reason(engine::StopReason reason) {
  return reason == engine::StopReason::length ? "length" : "stop";
}

json usage(const engine::Answer& answer, const PromptTokens& prompt) {
  const auto tokens = static_cast<int64_t>(answer.ids.size());
  json value;
  value["prompt_tokens"] = prompt.all;
  value["completion_tokens"] = tokens;
  value["total_tokens"] = prompt.all + tokens;
  value["prompt_tokens_details"]["cached_tokens"] = prompt.cached;
  return value;
}

/// In llama.cpp's words.
json timings(const engine::Answer& answer) {
  const auto rate = [](int64_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
  };
  const auto tokens = static_cast<int64_t>(answer.ids.size());
  json value;
  value["prompt_n"] = answer.prompt_tokens;
  value["prompt_ms"] = answer.prompt_seconds * 1e3;
  value["prompt_per_second"] = rate(answer.prompt_tokens, answer.prompt_seconds);
  value["predicted_n"] = tokens;
  value["predicted_ms"] = answer.seconds * 1e3;
  value["predicted_per_second"] = rate(tokens, answer.seconds);
  return value;
}

}  // namespace

std::string as_event(const json& value) { return "data: " + dump(value) + "\n\n"; }

ChatReply::ChatReply(std::string model)
    : id_(new_id()), model_(std::move(model)), created_(now_micros() / 1'000'000) {}

json ChatReply::base(const char* object) const {
  json value;
  value["id"] = id_;
  value["object"] = object;
  value["created"] = created_;
  value["model"] = model_;
  return value;
}

json ChatReply::event(const json& delta, const char* finish) const {
  json choice;
  choice["index"] = 0;
  choice["delta"] = delta;
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish == nullptr ? json() : json(finish);
  json value = base("chat.completion.chunk");
  value["choices"] = json::array({choice});
  return value;
}

std::string ChatReply::opening() const {
  return as_event(event({{"role", "assistant"}, {"content", ""}}, nullptr));
}

std::string ChatReply::piece(std::string_view text) const {
  return as_event(event({{"content", text}}, nullptr));
}

std::string ChatReply::closing(const engine::Answer& answer, const PromptTokens& prompt,
                               const json& about, bool with_usage) const {
  json last = event(json::object(), finish_reason(answer.reason));
  last["timings"] = timings(answer);
  last["memlong"] = about;
  std::string text = as_event(last);
  if (with_usage) {
    json counts = base("chat.completion.chunk");
    counts["choices"] = json::array();
    counts["usage"] = usage(answer, prompt);
    text += as_event(counts);
  }
  return text + "data: [DONE]\n\n";
}

std::string ChatReply::whole(const engine::Answer& answer, const PromptTokens& prompt,
                             const json& about) const {
  json choice;
  choice["index"] = 0;
  choice["message"] = {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}};
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_reason(answer.reason);
  json value = base("chat.completion");
  value["choices"] = json::array({choice});
  value["usage"] = usage(answer, prompt);
  value["timings"] = timings(answer);
  value["memlong"] = about;
  return dump(value);
}

}  // namespace memlong::server
