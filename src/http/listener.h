// The socket that new connections arrive at.
#pragma once

#include <cstdint>
#include <string>

namespace memlong::http {

/// "127.0.0.1:80", "[::1]:80"
std::string host_and_port(const std::string& address, const std::string& port);

/// Not thread-safe.
class Listener {
 public:
  struct Accepted {
    int fd = -1;  ///< the caller's; does not block. -1: `error` says why
    int error = 0;
    bool ipv6 = false;
    std::string peer;
  };

  /// Binds and listens. Errors: see Server.
  Listener(const std::string& host, uint16_t port);
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  /// Does not block; EAGAIN when nobody waits.
  [[nodiscard]] Accepted accept() const;
  void close();

 private:
  int fd_ = -1;
  uint16_t port_ = 0;
  std::string address_;
};

}  // namespace memlong::http
