#include "fuzz/target.h"

#include <algorithm>

#include "common/utf8.h"

namespace memlong::fuzz {

void require(bool holds, const std::string& what) {
  if (!holds) throw Finding(what);
}

bool accepted(std::initializer_list<ErrorKind> kinds, const std::function<void()>& fn) {
  try {
    fn();
    return true;
  } catch (const Error& error) {
    const std::string message = error.what();
    require(!message.empty(), "an error without a message");
    require(std::find(kinds.begin(), kinds.end(), error.kind()) != kinds.end(),
            "an error of kind " + std::to_string(static_cast<int>(error.kind())) + ": " + message);
    return false;
  }
}

bool is_utf8(std::string_view text) {
  std::string pending(text);
  return take_characters(pending) == text && pending.empty();
}

}  // namespace memlong::fuzz
