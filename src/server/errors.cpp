#include "server/errors.h"

#include <new>
#include <string>

#include "common/error.h"
#include "common/log.h"
#include "common/utf8.h"

namespace memlong::server {

namespace {

constexpr size_t kLongestText = 500;

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
    case ErrorKind::format:
      return 400;
    case ErrorKind::mismatch:
    case ErrorKind::busy:
      return 409;
    case ErrorKind::capacity:
      return 507;
    case ErrorKind::stopped:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

http::Response error_response_for(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return http::error_response(507, "there is not enough memory for this request");
  }
  const auto* known = dynamic_cast<const Error*>(&error);
  if (known != nullptr && known->kind() != ErrorKind::internal) {
    // It may quote what was sent.
    std::string text = known->what();
    if (text.size() > kLongestText)
      text = text.substr(0, character_floor(text, kLongestText)) + " ...";
    http::Response response = http::error_response(status_of(known->kind()), text);
    if (response.status == 503) response.headers.emplace_back("Retry-After", "5");
    return response;
  }
  log::error(std::string("a request failed: ") + error.what());
  return http::error_response(500, "an error inside memlong; its log says more");
}

}  // namespace memlong::server
