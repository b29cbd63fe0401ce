// Who may ask what, told by a request's headers alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/hash.h"
#include "http/message.h"

namespace memlong::http {

struct GuardOptions {
  std::vector<std::string> keys;  ///< one must come as "Authorization: Bearer KEY"; none: not asked
  std::vector<std::string> origins;  ///< whose web pages may ask ("https://a.example"); "*": all
  std::vector<std::string> hosts;    ///< further names in Host that are answered, without port
  bool loopback = true;  ///< the server listens on a loopback address only: is_loopback(host)
};

/// Any number of threads: it never changes. As the server's screen and decorator it says:
///  - 403 for a web page of another origin than the server's own, unless it is in `origins`,
///    whatever it asks: browsers name it in Origin.
///  - 403 for a Host that is no loopback name and not in `hosts`, where the server listens on a
///    loopback address and wants no key: another's name that leads here (DNS rebinding).
///  - 204 to the question of a page that may ask (a CORS preflight, which carries no key).
///  - 401 without a right key, but for GET /health. Keys are compared in constant time.
///  - 415 for POST with a body that is not declared application/json: pages send other types
///    without asking first.
class Guard {
 public:
  /// Errors: usage, for an empty key, and for an origin that is no "scheme://host[:port]" or "*".
  explicit Guard(const GuardOptions& options);
  /// An answer where the request goes no further.
  [[nodiscard]] std::optional<Response> refuse(const Request& request) const;
  /// The CORS headers of an answer, refusals too: a page may read it if its origin may ask.
  void add_headers(const Request& request, Response& response) const;

 private:
  [[nodiscard]] bool known_origin(const std::string& origin) const;
  [[nodiscard]] bool known_host(std::string_view host) const;
  [[nodiscard]] bool right_key(const std::string& authorization) const;

  GuardOptions options_;
  std::vector<Digest> keys_;
};

/// Whether a host's name or address, without port, is this machine to itself: localhost, 127.x.x.x,
/// ::1, [::1]. Names are not looked up.
bool is_loopback(std::string_view host);

}  // namespace memlong::http
