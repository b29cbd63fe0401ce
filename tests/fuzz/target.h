// What the fuzz targets share.
#pragma once

#include <cstring>
#include <functional>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/error.h"

namespace memlong::fuzz {

/// Something that must hold for every input did not.
struct Finding : std::logic_error {
  using std::logic_error::logic_error;
};

/// Finding{what} unless it holds.
void require(bool holds, const std::string& what);

/// Calls fn. True when it came to its end, false when it refused the input with an Error of one of
/// these kinds. A message that is empty, and an Error of another kind, are findings. What is no
/// Error passes through, and is one too.
bool accepted(std::initializer_list<ErrorKind> kinds, const std::function<void()>& fn);

/// What fn returns, or nothing where it refused. What is done with the value stands outside, so
/// that a refusal there is a finding.
template <class Fn>
auto value_of(std::initializer_list<ErrorKind> kinds, const Fn& fn) {
  std::optional<decltype(fn())> value;
  accepted(kinds, [&] { value.emplace(fn()); });
  return value;
}

/// The text holds nothing but whole UTF-8 characters.
bool is_utf8(std::string_view text);

/// Takes an input apart from its front. Zeros follow when it is used up.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    T value{};
    const std::string_view part = take(sizeof(T));
    if (!part.empty()) std::memcpy(&value, part.data(), part.size());
    return value;
  }
  /// From low to high.
  int64_t within(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(number<uint8_t>()) % (high - low + 1);
  }
  /// At most so many bytes.
  std::string_view take(size_t size) {
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(part.size());
    return part;
  }
  /// Up to the next `mark`, which is dropped, or to the end.
  std::string_view until(char mark) {
    const std::string_view part = take(bytes_.find(mark));
    take(1);
    return part;
  }
  [[nodiscard]] std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace memlong::fuzz
