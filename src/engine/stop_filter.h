// Text on its way out, cut at the first stop text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace memlong::engine {

/// Holds back what may turn out to be the beginning of a stop text. Not thread-safe.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops);
  /// What may be shown now.
  std::string push(std::string_view text);
  /// What was held back, at the end.
  std::string finish();
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace memlong::engine
