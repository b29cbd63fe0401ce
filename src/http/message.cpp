#include "http/message.h"

#include <array>
#include <cstdint>
#include <optional>

#include <nlohmann/json.hpp>

#include "common/hash.h"
#include "common/utf8.h"

namespace memlong::http {
namespace {

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Nothing for a bad percent sign, a NUL byte and what is not UTF-8.
std::optional<std::string> decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_blank) {
      c = ' ';
    } else if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  std::string pending = out;
  if (take_rest(pending) != out) return std::nullopt;
  return out;
}

/// Calls `fn` with each part of a text between separators, also with empty ones, while it is true.
template <class Fn>
bool each_part(std::string_view text, char separator, const Fn& fn) {
  for (;;) {
    const size_t end = text.find(separator);
    if (!fn(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool parse_query(std::string_view text, Request& request) {
  return each_part(text, '&', [&](std::string_view pair) {
    const size_t equals = pair.find('=');
    const auto key = decode(pair.substr(0, equals), true);
    const auto value = decode(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!key || !value) return false;
    if (!pair.empty()) request.query[*key] = *value;
    return true;
  });
}

}  // namespace

const std::string& Request::header(const std::string& name_in_lower_case) const {
  static const std::string none;
  const auto found = headers.find(name_in_lower_case);
  return found == headers.end() ? none : found->second;
}

Response error_response(int status, const std::string& message) {
  const nlohmann::ordered_json body = {{"error",
                                        {{"message", message},
                                         {"type", error_type(status)},
                                         {"param", nullptr},
                                         {"code", std::to_string(status)}}}};
  Response response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

std::string_view reason_phrase(int status) {
  static constexpr std::array<std::pair<int, std::string_view>, 25> kPhrases = {{
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {411, "Length Required"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {507, "Insufficient Storage"},
  }};
  for (const auto& [code, phrase] : kPhrases) {
    if (code == status) return phrase;
  }
  return {};
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7f)
      out += c;
    else
      out += "\\x" + to_hex({&byte, 1});
  }
  return out;
}

bool parse_target(std::string_view target, Request& request) {
  request.path.clear();
  request.segments.clear();
  request.query.clear();
  if (!target.starts_with('/')) return false;
  const size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  const auto decoded = decode(path, false);
  if (!decoded) return false;
  request.path = *decoded;
  const auto add_segment = [&](std::string_view part) {
    auto segment = decode(part, false);
    if (!segment) return false;
    request.segments.push_back(std::move(*segment));
    return true;
  };
  if (path != "/" && !each_part(path.substr(1), '/', add_segment)) return false;
  return mark == std::string_view::npos || parse_query(target.substr(mark + 1), request);
}

}  // namespace memlong::http
