// Small tokenizer.json files of the kinds that models have, and the ids that the tokenizers library
// gives with them (scripts/golden_tokens.py).
#pragma once

#include <functional>

#include <nlohmann/json.hpp>

#include "fixtures.h"
#include "support/paths.h"

namespace memlong::tokenizer {

inline std::filesystem::path data_folder() {
  return std::filesystem::path(test::source_dir()) / "tests/data/tokenizers";
}

inline std::shared_ptr<const Tokenizer> of_kind(const std::string& kind) {
  return load_tokenizer(data_folder() / kind);
}

inline nlohmann::json file_of(const std::string& kind) {
  return nlohmann::json::parse(read_file(data_folder() / kind / "tokenizer.json"));
}

/// The tokenizer of a changed file.
inline std::shared_ptr<const Tokenizer> changed(const std::string& kind,
                                                const std::function<void(nlohmann::json&)>& change,
                                                const std::string& config = "") {
  const TempFolder folder;
  nlohmann::json root = file_of(kind);
  change(root);
  folder.write("tokenizer.json", root.dump());
  if (!config.empty()) folder.write("tokenizer_config.json", config);
  return load_tokenizer(folder.path());
}

inline const nlohmann::json& golden() {
  static const nlohmann::json root =
      nlohmann::json::parse(read_file(data_folder() / "golden.json"));
  return root;
}

inline std::string novel() {
  return read_file(std::filesystem::path(test::source_dir()) / "examples/novel.txt");
}

}  // namespace memlong::tokenizer
