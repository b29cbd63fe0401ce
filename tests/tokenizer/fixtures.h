// Tokenizers to test with: the reference model's, and variations of its file.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>

#include "common/file.h"
#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

inline std::filesystem::path reference_folder() {
  return std::filesystem::path(MEMLONG_SOURCE_DIR) / "models/reference";
}

inline std::shared_ptr<const Tokenizer> reference() { return load_tokenizer(reference_folder()); }

class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("memlong-tokenizer-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
  }
  /// The reference model's tokenizer.model with protobuf bytes behind it (a repeated message is
  /// merged into the first).
  void write_model(const std::string& more = "") const {
    write("tokenizer.model", read_file(reference_folder() / "tokenizer.model") + more);
  }

 private:
  std::filesystem::path path_;
};

inline constexpr const char* kDummyPrefix = "\x1a\x02\x18\x01";  ///< add_dummy_prefix = true
inline constexpr const char* kRemoveSpaces =
    "\x1a\x04\x18\x01\x20\x01";  ///< and remove_extra_whitespaces = true

/// A tokenizer as Llama's: a space is put before every text.
inline std::shared_ptr<const Tokenizer> with_dummy_prefix() {
  const TempFolder folder;
  folder.write_model(kDummyPrefix);
  return load_tokenizer(folder.path());
}

}  // namespace memlong::tokenizer
