// Copies of the reference model with something wrong in them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "support/temp_folder.h"

namespace memlong::tools_test {

/// Content of files of a model folder by name; nothing: the file is left out.
using ModelFiles = std::map<std::string, std::optional<std::string>>;

/// A folder in `folder` that has the reference model's files (as links) but for these. Returns its
/// path; one of the same name is replaced.
std::string doctored_model(const test::TempFolder& folder, const ModelFiles& files,
                           const std::string& name = "model");

/// The reference model's config.json with these fields in place of its own.
std::string config_with(const nlohmann::json& fields);

/// `text` with the first `from` as `to`. Errors: std::runtime_error, where there is none.
std::string replaced(std::string text, const std::string& from, const std::string& to);

/// A safetensors file in parts that can be changed one by one.
struct TensorFile {
  nlohmann::json header;
  std::string data;

  static TensorFile read(const std::string& path);
  [[nodiscard]] std::string bytes() const { return bytes(header.dump(), data); }
  static std::string bytes(const std::string& header, const std::string& data);
};

}  // namespace memlong::tools_test
