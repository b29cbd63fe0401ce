#include "http/request_head.h"

namespace memlong::http {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::optional<Response> make_request(const RequestHead& head, Request& request) {
  request.method = head.method == "HEAD" ? "GET" : head.method;
  int hosts = 0;
  for (const auto& [name, value] : head.fields) {
    const std::string key = lower_case(name);
    if (key == "host") ++hosts;
    std::string& known = request.headers[key];
    known += (known.empty() ? "" : ", ") + value;
  }
  if (!parse_target(head.target, request)) {
    return error_response(400,
                          "the request's target is malformed: it must begin with '/', and be "
                          "percent-encoded UTF-8");
  }
  if (hosts > 1 || (hosts == 0 && head.version >= 11))
    return error_response(400, "the request must have one Host header");
  const std::string& coding = request.header("transfer-encoding");
  if (!coding.empty() && lower_case(coding) != "chunked")
    return error_response(501, "a body in the transfer coding '" + coding + "' cannot be read");
  return std::nullopt;
}

}  // namespace memlong::http
