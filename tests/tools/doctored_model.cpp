#include "tools/doctored_model.h"

#include <cstring>
#include <stdexcept>

#include "tools/run_tool.h"

namespace memlong::tools_test {

namespace fs = std::filesystem;

std::string doctored_model(const test::TempFolder& folder, const ModelFiles& files,
                           const std::string& name) {
  const std::string path = folder / name;
  fs::remove_all(path);
  fs::create_directories(path);
  for (const auto& entry : fs::directory_iterator(reference_model())) {
    const std::string file = entry.path().filename().string();
    if (!files.contains(file)) fs::create_symlink(entry.path(), path + "/" + file);
  }
  for (const auto& [file, content] : files) {
    if (content) folder.write(name + "/" + file, *content);
  }
  return path;
}

std::string config_with(const nlohmann::json& fields) {
  nlohmann::json config = nlohmann::json::parse(slurp(reference_model() + "/config.json"));
  if (!fields.is_null()) config.update(fields);
  return config.dump();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("no '" + from + "' to replace");
  return text.replace(at, from.size(), to);
}

TensorFile TensorFile::read(const std::string& path) {
  const std::string whole = slurp(path);
  uint64_t length = 0;
  std::memcpy(&length, whole.data(), sizeof(length));
  return {.header = nlohmann::json::parse(whole.substr(sizeof(length), length)),
          .data = whole.substr(sizeof(length) + length)};
}

std::string TensorFile::bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string whole(sizeof(length), '\0');
  std::memcpy(whole.data(), &length, sizeof(length));
  return whole + header + data;
}

}  // namespace memlong::tools_test
