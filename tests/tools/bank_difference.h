// Do two banks hold the same?
#pragma once

#include <filesystem>
#include <string>

namespace memlong::tools_test {

struct Comparison {
  bool numbers = true;  ///< of documents and chunks too
  bool verify = true;   ///< both banks first
  /// So much may K or V of a chunk differ, root mean square of the difference over that of the
  /// values; 0: in no bit. A session that is taken up reads its window in other pieces.
  double rounding = 0;
};

/// The first difference of documents (times aside), text, turns, chunks, tokens, vectors, K and V,
/// in words; "" when there is none.
std::string bank_difference(const std::filesystem::path& a, const std::filesystem::path& b,
                            const Comparison& comparison = {});

}  // namespace memlong::tools_test
