#include "http/guard.h"

#include <algorithm>
#include <cstdint>

#include "common/error.h"
#include "http/request_head.h"

namespace memlong::http {
namespace {

/// How long a browser may remember the answer to a preflight, in seconds.
constexpr const char* kPreflightSeconds = "600";

/// In a time that does not depend on what the bytes are.
bool same_digest(const Digest& a, const Digest& b) {
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(0, end + 1);
  }
  return host.substr(0, host.find(':'));
}

/// "scheme://host[:port]" in lower case.
std::string checked_origin(const std::string& text) {
  std::string origin = lower_case(text);
  const size_t host = origin.find("://");
  if (origin == "*") return origin;
  if (host == 0 || host == std::string::npos || host + 3 == origin.size() ||
      origin.find_first_of("/ *,", host + 3) != std::string::npos) {
    fail(ErrorKind::usage,
         "'" + text + "' is no origin of web pages; write it as https://host:port, or *");
  }
  return origin;
}

bool has_body(const Request& request) {
  const std::string& length = request.header("content-length");
  return !request.header("transfer-encoding").empty() || (!length.empty() && length != "0");
}

bool is_json(const Request& request) {
  std::string_view type = request.header("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return lower_case(type) == "application/json";
}

bool is_preflight(const Request& request) {
  return request.method == "OPTIONS" && !request.header("origin").empty() &&
         !request.header("access-control-request-method").empty();
}

Response preflight_answer() {
  Response response;
  response.status = 204;
  response.type.clear();
  response.headers = {{"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"},
                      {"Access-Control-Allow-Headers", "Authorization, Content-Type, *"},
                      {"Access-Control-Max-Age", kPreflightSeconds}};
  return response;
}

Response no_key(bool wrong) {
  Response response = error_response(
      401, wrong ? "the API key is not known to this server"
                 : "an API key is needed; send the header Authorization: Bearer KEY");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace

bool is_loopback(std::string_view host) {
  const std::string name = lower_case(host);
  if (name == "localhost" || name == "::1" || name == "[::1]") return true;
  std::string_view rest = name;
  if (!rest.starts_with("127.")) return false;
  rest.remove_prefix(4);
  for (int i = 0; i < 3; ++i) {
    size_t digits = 0;
    int value = 0;
    for (; digits < rest.size() && digits < 3 && rest[digits] >= '0' && rest[digits] <= '9';
         ++digits)
      value = value * 10 + (rest[digits] - '0');
    if (digits == 0 || value > 255) return false;
    rest.remove_prefix(digits);
    if (i < 2) {
      if (!rest.starts_with('.')) return false;
      rest.remove_prefix(1);
    }
  }
  return rest.empty();
}

Guard::Guard(const GuardOptions& options) : options_(options) {
  for (const std::string& key : options_.keys) {
    if (key.empty()) fail(ErrorKind::usage, "an API key is empty; give it at least one character");
    keys_.push_back(sha256(key));
  }
  options_.keys.clear();
  for (std::string& origin : options_.origins) origin = checked_origin(origin);
  for (std::string& host : options_.hosts) host = lower_case(host);
}

bool Guard::known_origin(const std::string& origin) const {
  const std::string name = lower_case(origin);
  return std::any_of(options_.origins.begin(), options_.origins.end(),
                     [&](const std::string& known) { return known == "*" || known == name; });
}

bool Guard::known_host(std::string_view host) const {
  const std::string name = lower_case(without_port(host));
  return is_loopback(name) ||
         std::find(options_.hosts.begin(), options_.hosts.end(), name) != options_.hosts.end();
}

bool Guard::right_key(const std::string& authorization) const {
  constexpr std::string_view kScheme = "bearer ";
  if (!lower_case(authorization.substr(0, kScheme.size())).starts_with(kScheme)) return false;
  const Digest given = sha256(std::string_view(authorization).substr(kScheme.size()));
  bool right = false;
  for (const Digest& key : keys_) right |= same_digest(key, given);  // looks at all of them
  return right;
}

std::optional<Response> Guard::refuse(const Request& request) const {
  const std::string& origin = request.header("origin");
  const std::string& host = request.header("host");
  if (!origin.empty() && !known_origin(origin)) {
    const size_t place = origin.find("://");
    const bool own = place != std::string::npos && !host.empty() &&
                     lower_case(origin.substr(place + 3)) == lower_case(host);
    if (!own) return error_response(403, "web pages of '" + origin + "' may not ask this server");
  }
  if (options_.loopback && keys_.empty() && !host.empty() && !known_host(host)) {
    return error_response(403, "this server does not answer to the name '" + host +
                                   "'; ask it as 127.0.0.1 or localhost");
  }
  if (is_preflight(request)) return preflight_answer();
  const bool open = request.method == "GET" && request.path == "/health";
  if (!keys_.empty() && !open) {
    const std::string& authorization = request.header("authorization");
    if (!right_key(authorization)) return no_key(!authorization.empty());
  }
  if (request.method == "POST" && has_body(request) && !is_json(request))
    return error_response(415,
                          "the body must be JSON; send the header Content-Type: application/json");
  return std::nullopt;
}

void Guard::add_headers(const Request& request, Response& response) const {
  if (options_.origins.empty()) return;
  const bool all =
      std::find(options_.origins.begin(), options_.origins.end(), "*") != options_.origins.end();
  if (!all) response.headers.emplace_back("Vary", "Origin");
  const std::string& origin = request.header("origin");
  if (origin.empty() || !known_origin(origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", all ? "*" : origin);
}

}  // namespace memlong::http
