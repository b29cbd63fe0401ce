#include "http/wire.h"

#include <array>
#include <cstdio>

namespace memlong::http {
namespace {

void add_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ");
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  text += "\r\n";
}

}  // namespace

std::string head_text(const Response& response, Framing framing, std::string_view connection,
                      std::time_t now) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
  text.append(reason_phrase(response.status)).append("\r\n");
  add_line(text, "Server", "memlong");
  add_line(text, "Date", http_date(now));
  if (!response.type.empty() && framing != Framing::none)
    add_line(text, "Content-Type", response.type);
  if (framing == Framing::length)
    add_line(text, "Content-Length", std::to_string(response.body.size()));
  if (framing == Framing::chunked) add_line(text, "Transfer-Encoding", "chunked");
  add_line(text, "Cache-Control", "no-store");
  add_line(text, "X-Content-Type-Options", "nosniff");
  if (!connection.empty()) add_line(text, "Connection", connection);
  for (const auto& [name, value] : response.headers) add_line(text, name, value);
  return text + "\r\n";
}

std::string chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  std::string text = size.data();
  return text.append(bytes).append("\r\n");
}

std::string http_date(std::time_t time) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                utc.tm_min, utc.tm_sec);
  return text.data();
}

bool without_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace memlong::http
