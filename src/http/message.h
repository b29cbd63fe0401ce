// Requests and answers as the parts behind the transport see them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memlong::http {

/// Path, segments and query are valid UTF-8 without NUL bytes; nothing is promised about the body.
struct Request {
  std::string method;  ///< "GET"; HEAD arrives as GET, and its answer goes without the body
  std::string path;    ///< percent-decoded, without the query; for messages and exact routes
  /// Of the path, split before they were decoded, so that one may hold a slash:
  /// {"v1", "bank", "documents", "my book"}. Of "/": none; "/a/" ends with an empty one. "." and
  /// ".." are names like others.
  std::vector<std::string> segments;
  std::map<std::string, std::string> query;    ///< decoded; '+' is a blank; last of a repeated key
  std::map<std::string, std::string> headers;  ///< names in lower case; repeated ones joined: ", "
  std::string body;
  std::string peer;  ///< "127.0.0.1:5123"

  /// Empty where the request has no such header.
  [[nodiscard]] const std::string& header(const std::string& name_in_lower_case) const;
};

struct Response {
  int status = 200;
  std::string body;
  std::string type = "application/json";                     ///< empty: no Content-Type
  std::vector<std::pair<std::string, std::string>> headers;  ///< further ones
};

/// {"error": {"message": ..., "type": ..., "param": null, "code": status}}, as OpenAI's clients
/// expect it. The type follows from the status: 401 authentication_error, 403 permission_error,
/// 429 rate_limit_error, 503 unavailable_error, other 5xx server_error, the rest
/// invalid_request_error. Bytes of the message that are not UTF-8 are replaced.
Response error_response(int status, const std::string& message);

/// "Not Found"; empty for a status it does not know.
std::string_view reason_phrase(int status);

/// For log lines: control characters become \xNN, so that a line stays one.
std::string printable(std::string_view text);

/// Splits and decodes a request's target into path, segments and query. False for one that is
/// malformed: no leading '/', a bad percent sign, a NUL byte, not UTF-8.
bool parse_target(std::string_view target, Request& request);

}  // namespace memlong::http
