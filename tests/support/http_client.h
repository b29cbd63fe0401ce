// A small HTTP client on plain sockets, which can also send what is broken, slow or unfinished.
// Nothing waits for more than five minutes; what goes wrong is thrown as std::runtime_error.
#pragma once

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

namespace memlong::test {

using HttpHeaders = std::map<std::string, std::string>;

struct HttpReply {
  int status = 0;
  HttpHeaders headers;  ///< names in lower case; of a repeated one, the last
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// One connection. Not thread-safe.
class HttpClient {
 public:
  /// `receive_buffer`: bytes the system may keep for a client that reads slowly; 0: its own choice.
  explicit HttpClient(uint16_t port, const std::string& host = "127.0.0.1",
                      int receive_buffer = 0) {
    const bool ipv6 = host.find(':') != std::string::npos;
    fd_ = ::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) fail("socket");
    if (receive_buffer > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval longest{300, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    sockaddr_in address4{};
    sockaddr_in6 address6{};
    address4.sin_family = AF_INET;
    address6.sin6_family = AF_INET6;
    address4.sin_port = address6.sin6_port = htons(port);
    const int good = ipv6 ? ::inet_pton(AF_INET6, host.c_str(), &address6.sin6_addr)
                          : ::inet_pton(AF_INET, host.c_str(), &address4.sin_addr);
    const auto* address = ipv6 ? reinterpret_cast<const sockaddr*>(&address6)
                               : reinterpret_cast<const sockaddr*>(&address4);
    const socklen_t size = ipv6 ? sizeof address6 : sizeof address4;
    if (good != 1 || ::connect(fd_, address, size) != 0) fail("connect");
  }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient() { leave(); }

  /// Any bytes, as they are.
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) fail("send");
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  /// A request. Host, and for a body its length and the type application/json, are added unless
  /// `headers` (names in lower case) has them.
  void request(const std::string& method, const std::string& target, const std::string& body = "",
               HttpHeaders headers = {}) const {
    headers.emplace("host", "localhost");
    if (!body.empty() && headers.count("transfer-encoding") == 0) {
      headers.emplace("content-length", std::to_string(body.size()));
      headers.emplace("content-type", "application/json");
    }
    std::string text = method + " " + target + " HTTP/1.1\r\n";
    for (const auto& [name, value] : headers) text.append(name + ": " + value + "\r\n");
    send(text + "\r\n" + body);
  }

  /// The whole next answer. `without_body`: it answers a HEAD.
  HttpReply read_reply(bool without_body = false) {
    HttpReply reply = read_head();
    if (without_body || reply.status < 200 || reply.status == 204) return reply;
    if (chunked_) {
      while (const auto piece = next_chunk()) reply.body += *piece;
    } else if (reply.headers.count("content-length") > 0) {
      const size_t size = std::stoul(reply.header("content-length"));
      while (buffer_.size() < size) need_more("a body");
      reply.body = take(size);
    } else {
      while (read_more()) {
      }
      reply.body = take(buffer_.size());
    }
    return reply;
  }

  /// Status line and headers; the body is left to next_chunk() or next_event().
  HttpReply read_head() {
    HttpReply reply;
    const std::string first = read_line();
    if (first.size() < 12 || !first.starts_with("HTTP/1.1 "))
      throw std::runtime_error("no answer: '" + first + "'");
    reply.status = std::stoi(first.substr(9, 3));
    for (std::string line = read_line(); !line.empty(); line = read_line()) {
      const size_t colon = line.find(": ");
      if (colon == std::string::npos) throw std::runtime_error("no header: '" + line + "'");
      std::string name = line.substr(0, colon);
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      reply.headers[name] = line.substr(colon + 2);
    }
    chunked_ = reply.header("transfer-encoding") == "chunked";
    events_.clear();
    return reply;
  }

  /// Of a chunked body; nothing after its last chunk. Throws when the connection breaks off before.
  std::optional<std::string> next_chunk() {
    const size_t size = std::stoul(read_line(), nullptr, 16);
    while (buffer_.size() < size + 2) need_more("a chunk");
    std::string piece = take(size);
    if (take(2) != "\r\n") throw std::runtime_error("a chunk is longer than it says");
    if (size == 0) return std::nullopt;
    return piece;
  }

  /// Of an event stream, chunked or not: the text of the next event or comment without the blank
  /// line that ends it; nothing at the stream's end.
  std::optional<std::string> next_event() {
    for (;;) {
      const size_t end = events_.find("\n\n");
      if (end != std::string::npos) {
        std::string event = events_.substr(0, end);
        events_.erase(0, end + 2);
        return event;
      }
      if (chunked_) {
        const auto piece = next_chunk();
        if (!piece) return end_of_events();
        events_ += *piece;
      } else {
        if (buffer_.empty() && !read_more()) return end_of_events();
        events_ += take(buffer_.size());
      }
    }
  }

  /// Of the same: what the next event has behind "data: ". Comments are passed over.
  std::optional<std::string> next_data() {
    for (;;) {
      const auto event = next_event();
      if (!event) return std::nullopt;
      if (event->starts_with(':')) continue;
      if (!event->starts_with("data: ")) throw std::runtime_error("no data: '" + *event + "'");
      return event->substr(std::string_view("data: ").size());
    }
  }

  /// Whether the server closes the connection without sending anything more.
  bool closed() { return buffer_.empty() && !read_more(); }

  void finish_sending() const { ::shutdown(fd_, SHUT_WR); }
  void leave() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  /// Leaves so that the server gets an error, not an end.
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    leave();
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
  }

  /// False at the end of the connection.
  bool read_more() {
    char bytes[16384];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got < 0 && errno == ECONNRESET) return false;
    if (got < 0) fail("receive");
    buffer_.append(bytes, static_cast<size_t>(got));
    return got > 0;
  }
  void need_more(const char* what) {
    if (!read_more()) throw std::runtime_error(std::string("the connection ended within ") + what);
  }
  std::string take(size_t size) {
    std::string bytes = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return bytes;
  }
  std::string read_line() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) need_more("a line");
    std::string line = take(end);
    take(2);
    return line;
  }
  [[nodiscard]] std::optional<std::string> end_of_events() const {
    if (!events_.empty()) throw std::runtime_error("the stream ended within an event");
    return std::nullopt;
  }

  int fd_ = -1;
  std::string buffer_;  // received, not yet read
  bool chunked_ = false;
  std::string events_;  // of the body, not yet read
};

/// One request on a connection of its own.
inline HttpReply call(uint16_t port, const std::string& method, const std::string& target,
                      const std::string& body = "", const HttpHeaders& headers = {}) {
  HttpClient client(port);
  client.request(method, target, body, headers);
  return client.read_reply(method == "HEAD");
}

}  // namespace memlong::test
