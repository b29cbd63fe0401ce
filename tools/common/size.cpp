#include "tools/common/size.h"

#include <charconv>
#include <string_view>

#include "common/error.h"

namespace memlong::tools {

int64_t parse_size(const std::string& text, const std::string& source) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  std::string unit(stop, end);
  std::erase(unit, ' ');
  constexpr std::string_view kUnits = "KMGT";
  double factor = 1;
  if (!unit.empty() && unit != "B") {
    const size_t power = kUnits.find(unit[0]);
    const std::string rest = unit.substr(1);
    const bool known = power != std::string::npos && (rest.empty() || rest == "iB" || rest == "B");
    factor = known ? 0x1p10 : 0;
    for (size_t i = 0; known && i < power; ++i) factor *= rest == "B" ? 1000 : 1024;
    if (known && rest == "B") factor *= 1000.0 / 1024.0;
  }
  if (error != std::errc() || factor == 0 || !(number >= 1) || number * factor > 9e18) {
    fail(ErrorKind::usage, source + ": '" + text + "' is no size; 1500000, 64MiB and 2GB are");
  }
  return static_cast<int64_t>(number * factor);
}

}  // namespace memlong::tools
