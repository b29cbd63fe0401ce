// Small sentence encoders, and what transformers makes of some texts with them
// (scripts/golden_encoders.py).
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "common/file.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace memlong::test {

inline constexpr const char* kEncoders[] = {"bert-mean", "bert-cls", "xlm-roberta"};

inline std::filesystem::path encoder_folder(const std::string& name) {
  return std::filesystem::path(data_dir()) / "encoders" / name;
}

/// [{"text", "ids" with the special ones, cut where they are too many, "vector"}]
inline nlohmann::json golden_texts(const std::string& name) {
  return nlohmann::json::parse(read_file(encoder_folder("golden.json"))).at(name);
}

/// A copy of an encoder's folder, to change files in.
inline std::filesystem::path copied_encoder(const TempFolder& folder, const std::string& name) {
  const std::filesystem::path copy = folder.path() / name;
  std::filesystem::remove_all(copy);
  std::filesystem::copy(encoder_folder(name), copy, std::filesystem::copy_options::recursive);
  return copy;
}

/// Puts `fields` into a JSON file, or makes one of them; those that are null go.
inline void change_json(const std::filesystem::path& file, const nlohmann::json& fields) {
  nlohmann::json root = nlohmann::json::object();
  if (std::filesystem::exists(file)) root = nlohmann::json::parse(read_file(file));
  root.merge_patch(fields);
  write_file_atomic(file, root.dump());
}

}  // namespace memlong::test
