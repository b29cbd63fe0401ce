#include "common/json_depth.h"

#include <cstddef>

#include "common/error.h"

namespace memlong {

void check_json_depth(std::string_view text, const std::string& origin) {
  constexpr size_t kDeepest = 200;
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      if (c == '\\') ++i;
      continue;
    }
    if ((c == '{' || c == '[') && ++depth > kDeepest) {
      fail(ErrorKind::format, origin + ": objects and lists stand more than " +
                                  std::to_string(kDeepest) + " deep in each other");
    }
    if ((c == '}' || c == ']') && depth > 0) --depth;
  }
}

}  // namespace memlong
