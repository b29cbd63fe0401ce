// Errors that a user, a file, a device or a limit can cause, and checks of invariants.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace memlong {

/// What went wrong; the tools map it to an exit code (usage: 2, everything else: 1).
enum class ErrorKind : uint8_t {
  usage,     ///< a flag, key or argument that cannot be right
  config,    ///< a model or settings file that says something impossible
  io,        ///< the operating system refused (the message carries path and reason)
  format,    ///< a file that is not what it should be
  corrupt,   ///< stored data whose checksum or structure is broken
  mismatch,  ///< a bank, adapter or snapshot that belongs to something else
  busy,      ///< somebody else holds what is needed (a second writer)
  capacity,  ///< disk, map or memory full
  device,    ///< an accelerator is missing or failed
  stopped,   ///< the user asked to stop
  internal,  ///< a broken invariant: a defect of memlong
};

/// One line that says what was wrong with what, and, where it helps, what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

[[noreturn]] void fail(ErrorKind kind, const std::string& message);

/// "cannot open /a/b: No such file or directory", from errno.
[[noreturn]] void fail_errno(const std::string& what, const std::string& path);

[[noreturn]] void check_failed(const char* expression, const char* file, int line,
                               const std::string& message);

}  // namespace memlong

/// A broken invariant throws Error{internal}, in release builds too.
#define MEMLONG_CHECK(condition, message)                                 \
  do {                                                                    \
    if (!(condition)) {                                                   \
      ::memlong::check_failed(#condition, __FILE__, __LINE__, (message)); \
    }                                                                     \
  } while (false)
