#include "common/error.h"

#include <cerrno>
#include <cstring>

namespace memlong {

void fail(ErrorKind kind, const std::string& message) {
  if (message.find('\0') == std::string::npos) throw Error(kind, message);
  std::string whole;  // what() ends at a NUL
  for (const char c : message) whole += c == '\0' ? "\\x00" : std::string(1, c);
  throw Error(kind, whole);
}

void fail_errno(const std::string& what, const std::string& path) {
  const int error = errno;
  const ErrorKind kind = error == ENOSPC || error == EDQUOT ? ErrorKind::capacity : ErrorKind::io;
  throw Error(kind, what + " " + path + ": " + std::strerror(error));
}

void check_failed(const char* expression, const char* file, int line, const std::string& message) {
  const char* slash = std::strrchr(file, '/');
  throw Error(ErrorKind::internal, std::string("internal error: ") + message + " (" + expression +
                                       ", " + (slash != nullptr ? slash + 1 : file) + ":" +
                                       std::to_string(line) + ")");
}

}  // namespace memlong
