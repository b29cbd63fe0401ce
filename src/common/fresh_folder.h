// A folder that appears complete or not at all.
#pragma once

#include <filesystem>

namespace memlong {

/// Stands beside its target until all is written. What is left of it goes on the way out.
class FreshFolder {
 public:
  /// Made anew, with the folders above it. Errors: io.
  explicit FreshFolder(const std::filesystem::path& target);
  FreshFolder(const FreshFolder&) = delete;
  FreshFolder& operator=(const FreshFolder&) = delete;
  ~FreshFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Absolute, links resolved.
  [[nodiscard]] const std::filesystem::path& target() const { return target_; }

  /// It takes the target's name; the folder that had it is removed. Errors: io.
  void replace();
  /// It takes the target's name. Where there is such a folder already, the files move into it, in
  /// the order of their names but `last` at the end; what else it holds stays. Errors: io.
  void merge(const char* last);

 private:
  std::filesystem::path target_;
  std::filesystem::path path_;
};

}  // namespace memlong
