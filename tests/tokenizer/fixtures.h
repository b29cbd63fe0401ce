// Tokenizers to test with: the reference model's, and variations of its file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/file.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "tokenizer/tokenizer.h"

namespace memlong::tokenizer {

using test::TempFolder;

inline std::filesystem::path reference_folder() {
  return std::filesystem::path(test::source_dir()) / "models/reference";
}

inline std::shared_ptr<const Tokenizer> reference() { return load_tokenizer(reference_folder()); }

/// Writes the reference model's tokenizer.model with protobuf bytes behind it (a repeated message
/// is merged into the first).
inline void write_model(const TempFolder& folder, const std::string& more = "") {
  folder.write("tokenizer.model", read_file(reference_folder() / "tokenizer.model") + more);
}

inline constexpr const char* kDummyPrefix = "\x1a\x02\x18\x01";  ///< add_dummy_prefix = true
inline constexpr const char* kRemoveSpaces =
    "\x1a\x04\x18\x01\x20\x01";  ///< and remove_extra_whitespaces = true

/// A tokenizer as Llama's: a space is put before every text.
inline std::shared_ptr<const Tokenizer> with_dummy_prefix() {
  const TempFolder folder;
  write_model(folder, kDummyPrefix);
  return load_tokenizer(folder.path());
}

}  // namespace memlong::tokenizer
