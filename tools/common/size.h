// Sizes as people write them.
#pragma once

#include <cstdint>
#include <string>

namespace memlong::tools {

/// "1500000", "64KiB", "1.5 GiB", "2GB"; K, M, G and T alone count as KiB and so on. `source`
/// ("--budget-bytes") goes into the message. Errors: usage.
int64_t parse_size(const std::string& text, const std::string& source);

}  // namespace memlong::tools
