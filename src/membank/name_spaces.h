// The names of namespaces by number, shared by all transactions of an open file.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace memlong::membank {

/// Only what is committed: numbers rise and are never given up, so that what is known stays true.
/// Thread-safe.
class NameSpaceNames {
 public:
  [[nodiscard]] std::optional<std::string> find(uint32_t id) const {
    const std::scoped_lock lock(mutex_);
    const auto known = names_.find(id);
    return known == names_.end() ? std::nullopt : std::optional(known->second);
  }
  void add(const std::map<uint32_t, std::string>& names) {
    const std::scoped_lock lock(mutex_);
    names_.insert(names.begin(), names.end());
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, std::string> names_;
};

}  // namespace memlong::membank
