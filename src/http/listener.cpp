#include "http/listener.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"

namespace memlong::http {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses look_up(const std::string& host, uint16_t port) {
  std::string name = host;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']')
    name = name.substr(1, name.size() - 2);
  if (name.empty()) fail(ErrorKind::usage, "the host to listen on is empty; give 127.0.0.1");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    fail(ErrorKind::usage,
         "there is no host '" + host + "' to listen on: " + ::gai_strerror(error));
  }
  return {found, &::freeaddrinfo};
}

/// A listening socket, or -1 with errno set.
int listen_on(const addrinfo& address) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd, address.ai_addr, address.ai_addrlen) == 0 && ::listen(fd, SOMAXCONN) == 0)
    return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

struct Named {
  std::string address;
  std::string port;
};

Named name_of(const sockaddr_storage& storage, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const auto* address = reinterpret_cast<const sockaddr*>(&storage);
  if (::getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return {"?", "0"};
  return {host.data(), port.data()};
}

}  // namespace

std::string host_and_port(const std::string& address, const std::string& port) {
  const bool bare_ipv6 = address.find(':') != std::string::npos && address.front() != '[';
  return (bare_ipv6 ? "[" + address + "]" : address) + ":" + port;
}

Listener::Listener(const std::string& host, uint16_t port) {
  const Addresses addresses = look_up(host, port);
  int error = 0;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const addrinfo* at = addresses.get(); at != nullptr && fd_ < 0; at = at->ai_next) {
      if (at->ai_family != family) continue;
      fd_ = listen_on(*at);
      if (fd_ < 0 && error == 0) error = errno;
    }
  }
  if (fd_ < 0) {
    fail(ErrorKind::io, "cannot listen on " + host_and_port(host, std::to_string(port)) + ": " +
                            std::strerror(error));
  }
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size);
  const Named name = name_of(storage, size);
  port_ = static_cast<uint16_t>(std::stoi(name.port));
  address_ = host_and_port(name.address, name.port);
}

Listener::Accepted Listener::accept() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  Accepted accepted;
  accepted.fd =
      ::accept4(fd_, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted.fd < 0) {
    accepted.error = errno;
    return accepted;
  }
  const Named name = name_of(storage, size);
  accepted.ipv6 = storage.ss_family == AF_INET6;
  accepted.peer = host_and_port(name.address, name.port);
  return accepted;
}

void Listener::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace memlong::http
