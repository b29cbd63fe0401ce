#include <algorithm>
#include <cmath>

#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "http/guard.h"
#include "http/message.h"
#include "http/request_head.h"
#include "server/chat_request.h"
#include "server/known_messages.h"

namespace memlong::fuzz {
namespace {

using http::Request;

bool is_clean(std::string_view text) {
  return is_utf8(text) && text.find('\0') == std::string_view::npos;
}

void check_target(std::string_view input) {
  http::Request request;
  if (!http::parse_target(input, request)) return;
  require(input.starts_with('/') && request.path.starts_with('/'), "a target without a path");
  require(is_clean(request.path), "a path that is no text");
  std::string joined;
  for (const std::string& segment : request.segments) {
    require(is_clean(segment), "a segment that is no text");
    joined += "/" + segment;
  }
  require((joined.empty() ? "/" : joined) == request.path, "path and segments differ");
  for (const auto& [key, value] : request.query) {
    require(is_clean(key) && is_clean(value), "a query that is no text");
  }
}

/// Origin, Host and Authorization, with 0x1F between them.
void check_guard(Input input) {
  static const http::Guard open({.keys = {}, .origins = {}, .hosts = {}, .loopback = true});
  static const http::Guard locked(
      {.keys = {"key"}, .origins = {"https://a.example"}, .hosts = {}, .loopback = false});
  http::Request request;
  request.method = "GET";
  request.path = "/v1/models";
  request.segments = {"v1", "models"};
  std::string_view rest = input.rest();
  for (const char* name : {"origin", "host", "authorization"}) {
    const size_t end = std::min(rest.find('\x1f'), rest.size());
    if (end > 0) request.headers[name] = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!locked.refuse(request)) {
    require(request.header("authorization").ends_with("key"), "a key was not asked for");
    const std::string origin = http::lower_case(request.header("origin"));
    const bool own = origin.ends_with(http::lower_case(request.header("host")));
    require(origin.empty() || origin == "https://a.example" || own, "another's page may ask");
  }
  (void)open.refuse(request);
}

membank::Turn turn_of(const tokenizer::Message& message) {
  membank::Turn turn;
  turn.role = message.role;
  turn.content = message.content;
  return turn;
}

/// A dialog that holds the first messages already.
void check_known(const std::vector<tokenizer::Message>& messages) {
  std::vector<membank::Turn> turns;
  for (size_t held = 0; held < std::min<size_t>(messages.size(), 20); ++held) {
    require(server::continues(turns, messages), "messages that go on do not");
    require(server::known_of_named(turns, messages) == held, "what is known is not what is held");
    turns.push_back(turn_of(messages[held]));
  }
}

void check_chat(std::string_view input) {
  const auto request =
      value_of({ErrorKind::format}, [&] { return server::parse_chat_request(input, {}); });
  if (!request) return;
  require(!request->messages.empty() && request->messages.back().role == "user", "nobody asks");
  for (const tokenizer::Message& message : request->messages) {
    require(message.role == "system" || message.role == "user" || message.role == "assistant",
            "a role that nobody has");
    require(is_utf8(message.content), "a message that is no text");
  }
  const ops::SamplingOptions& sampling = request->generate.sampling;
  require(request->generate.max_tokens > 0, "an answer of no length");
  require(std::isfinite(sampling.temperature) && sampling.temperature >= 0 && sampling.top_p >= 0 &&
              sampling.top_p <= 1 && sampling.top_k >= -1,
          "sampling out of range");
  for (const std::string& stop : request->generate.stop) require(!stop.empty(), "an empty stop");
  check_known(request->messages);
}

}  // namespace

void http_request(std::string_view bytes) {
  Input input(bytes);
  switch (input.number<uint8_t>() % 3) {
    case 0:
      return check_chat(input.rest());
    case 1:
      return check_target(input.rest());
    default:
      return check_guard(input);
  }
}

}  // namespace memlong::fuzz
