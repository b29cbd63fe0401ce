#include "server/chat_request.h"

#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "membank/types.h"
#include "server/json_body.h"

namespace memlong::server {

using nlohmann::json;

namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();

constexpr size_t kMostNameBytes = 400;

std::string place_of(size_t index) { return "messages[" + std::to_string(index) + "]"; }

/// A string, or a list of {"type": "text", "text": ...}.
std::string content_of(const json& message, const std::string& place) {
  const auto content = message.find("content");
  if (content != message.end() && content->is_string()) return content->get<std::string>();
  if (content == message.end() || !content->is_array()) {
    fail(ErrorKind::format, place + ".content must be a string or a list of text parts");
  }
  std::string text;
  for (const json& part : *content) {
    if (!part.is_object() || part.value("type", json()) != "text" || !part.contains("text") ||
        !part["text"].is_string()) {
      fail(ErrorKind::format, place + ".content: only parts of type 'text' are understood");
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

tokenizer::Message message_of(const json& message, size_t index) {
  const std::string place = place_of(index);
  if (!message.is_object()) fail(ErrorKind::format, place + " must be an object");
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string()) {
    fail(ErrorKind::format, place + ".role must be a string");
  }
  std::string name = role->get<std::string>();
  if (name == "developer") name = "system";
  if (name != "system" && name != "user" && name != "assistant") {
    fail(ErrorKind::format, place + ".role is '" + name + "': none of system, user, assistant");
  }
  const bool silent = name == "assistant" && message.value("content", json()).is_null();
  return {name, silent ? std::string() : content_of(message, place)};
}

std::vector<tokenizer::Message> messages_of(const json& body) {
  const auto list = body.find("messages");
  if (list == body.end() || !list->is_array() || list->empty()) {
    fail(ErrorKind::format, "'messages' must be a list that is not empty");
  }
  std::vector<tokenizer::Message> messages;
  for (const json& message : *list) messages.push_back(message_of(message, messages.size()));
  if (messages.back().role != "user") {
    fail(ErrorKind::format,
         "the last message must be the user's; it is the " + messages.back().role + "'s");
  }
  return messages;
}

void refuse_unsupported(const json& body) {
  const auto given = [&](const char* name) {
    const auto found = body.find(name);
    if (found == body.end() || *found == false || *found == 0 || *found == "") return false;
    return !found->empty();  // null is
  };
  for (const char* name : {"tools", "functions", "logit_bias", "logprobs", "top_logprobs", "audio",
                           "grammar", "json_schema"}) {
    if (given(name)) fail(ErrorKind::format, "'" + std::string(name) + "' is not supported");
  }
  if (integer_field(body, "n", 1, 1'000'000).value_or(1) != 1) {
    fail(ErrorKind::format, "'n' must be 1: one answer at a time");
  }
  const auto format = body.find("response_format");
  if (format != body.end() && !format->empty() &&
      (!format->is_object() || format->value("type", json()) != "text")) {
    fail(ErrorKind::format, "'response_format' must be {\"type\": \"text\"}");
  }
}

template <class T>
void take(T& target, const std::optional<double>& value) {
  if (value) target = static_cast<T>(*value);
}

void read_sampling(const json& body, ops::SamplingOptions& sampling) {
  take(sampling.temperature, number_field(body, "temperature", 0, 1e6));
  take(sampling.top_p, number_field(body, "top_p", 0, 1));
  take(sampling.top_k, number_field(body, "top_k", -1, static_cast<double>(kMost)));
  take(sampling.min_p, number_field(body, "min_p", 0, 1));
  take(sampling.typical_p, number_field(body, "typical_p", 0, 1));
  take(sampling.top_n_sigma, number_field(body, "top_n_sigma", -1, 1e6));
  take(sampling.repeat_penalty, number_field(body, "repeat_penalty", 0, 1e6));
  take(sampling.repeat_last_n, number_field(body, "repeat_last_n", -1, static_cast<double>(kMost)));
  take(sampling.frequency_penalty, number_field(body, "frequency_penalty", -1e6, 1e6));
  take(sampling.presence_penalty, number_field(body, "presence_penalty", -1e6, 1e6));
}

void read_stops(const json& body, std::vector<std::string>& stops) {
  const auto stop = body.find("stop");
  if (stop == body.end() || stop->is_null()) return;
  stops.clear();
  const json list = stop->is_string() ? json::array({*stop}) : *stop;
  if (!list.is_array() ||
      !std::ranges::all_of(list, [](const json& text) { return text.is_string(); })) {
    fail(ErrorKind::format, "'stop' must be a string or a list of strings");
  }
  for (const json& text : list) {
    if (text != "") stops.push_back(text.get<std::string>());
  }
}

void read_generate(const json& body, engine::GenerateOptions& generate) {
  read_sampling(body, generate.sampling);
  read_stops(body, generate.stop);
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    if (const auto most = integer_field(body, name, -1, kMost)) {
      if (*most == 0) fail(ErrorKind::format, "'" + std::string(name) + "' must not be 0");
      generate.max_tokens = *most < 0 ? kMost : *most;
    }
  }
  const auto seed = body.find("seed");
  if (seed != body.end() && seed->is_number_unsigned()) {  // of 64 bits, as some clients draw them
    constexpr uint64_t kPositive = std::numeric_limits<int64_t>::max();
    generate.seed = engine::session_seed(static_cast<int64_t>(seed->get<uint64_t>() & kPositive));
  } else if (const auto number = integer_field(body, "seed", std::numeric_limits<int64_t>::min(),
                                               std::numeric_limits<int64_t>::max())) {
    generate.seed = engine::session_seed(*number);
  }
}

/// It stands in lines of the log.
std::string session_of(const json& body) {
  std::string name = string_field(body, "session").value_or("");
  const bool readable = std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (!readable) fail(ErrorKind::format, "'session' must not have control characters");
  if (name.size() > kMostNameBytes) {
    fail(ErrorKind::format,
         "'session' is longer than " + std::to_string(kMostNameBytes) + " bytes");
  }
  return name;
}

}  // namespace

ChatRequest parse_chat_request(std::string_view text, const engine::GenerateOptions& defaults) {
  const json body = parse_body(text);
  refuse_unsupported(body);
  ChatRequest request;
  request.generate = defaults;
  request.messages = messages_of(body);
  request.session = session_of(body);
  request.name_space = string_field(body, "namespace").value_or("");
  if (request.name_space.size() > membank::kMaxNameSpaceBytes) {
    fail(ErrorKind::format,
         "'namespace' is longer than " + std::to_string(membank::kMaxNameSpaceBytes) + " bytes");
  }
  request.stream = bool_field(body, "stream").value_or(false);
  request.retrieved = bool_field(body, "retrieved").value_or(false);
  request.generate.measure_attention = request.retrieved;
  const auto stream = body.find("stream_options");
  if (stream != body.end() && stream->is_object()) {
    request.include_usage = bool_field(*stream, "include_usage").value_or(false);
  }
  read_generate(body, request.generate);
  return request;
}

}  // namespace memlong::server
