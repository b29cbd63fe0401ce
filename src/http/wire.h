// The text of an answer on the wire.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "http/message.h"

namespace memlong::http {

/// How a client knows where the body ends.
enum class Framing : uint8_t {
  none,         ///< there can be none
  length,       ///< Content-Length
  chunked,      ///< chunk() by chunk(), then kLastChunk
  until_close,  ///< where the connection ends
};

/// Status line, headers and the blank line. `connection` is the value of that header; empty: none.
/// Control characters in values become blanks.
std::string head_text(const Response& response, Framing framing, std::string_view connection,
                      std::time_t now);

std::string chunk(std::string_view bytes);  ///< not of none: that would be the last chunk
constexpr std::string_view kLastChunk = "0\r\n\r\n";

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(std::time_t time);

/// Whether a status has no body by definition: 1xx, 204, 304.
bool without_body(int status);

}  // namespace memlong::http
