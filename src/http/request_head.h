// From what stands in a request's head to a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"

namespace memlong::http {

struct RequestHead {
  std::string method;
  std::string target;
  int version = 11;                                         ///< 10 or 11
  std::vector<std::pair<std::string, std::string>> fields;  ///< as they came
};

/// Fills all but body and peer. An answer where it cannot be served: 400 for a malformed target and
/// for HTTP/1.1 without just one Host, 501 for a body in a coding other than chunked.
std::optional<Response> make_request(const RequestHead& head, Request& request);

std::string lower_case(std::string_view text);  ///< of ASCII

}  // namespace memlong::http
