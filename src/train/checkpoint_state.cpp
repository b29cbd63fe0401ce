#include "train/checkpoint_state.h"

#include <span>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/hash.h"
#include "common/json_depth.h"

namespace memlong::train {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "memlong-checkpoint";
constexpr int64_t kVersion = 1;

/// Of the object without its own checksum, keys in order.
uint32_t own_checksum(json object) {
  object.erase("crc32c");
  const std::string text = object.dump();
  return crc32c(std::as_bytes(std::span(text)));
}

StoredState read_fields(const json& root) {
  StoredState stored;
  CheckpointState& state = stored.state;
  root.at("step").get_to(state.step);
  root.at("optimizer_steps").get_to(state.optimizer_steps);
  root.at("gradient_norm_mean").get_to(state.gradient_norm_mean);
  state.evaluation_due = root.value("evaluation_due", false);
  state.skipped = root.value("skipped", int64_t{0});
  root.at("tokens").get_to(state.tokens);
  root.at("fingerprint").get_to(state.fingerprint);
  root.at("source").get_to(state.source);
  for (const auto& [name, file] : root.at("files").items()) {
    stored.files.push_back({.name = name, .bytes = file.at("bytes"), .crc = file.at("crc32c")});
  }
  return stored;
}

}  // namespace

std::string state_to_json(const StoredState& stored) {
  const CheckpointState& state = stored.state;
  json root = {{"format", kFormat},
               {"version", kVersion},
               {"step", state.step},
               {"optimizer_steps", state.optimizer_steps},
               {"gradient_norm_mean", state.gradient_norm_mean},
               {"tokens", state.tokens},
               {"fingerprint", state.fingerprint},
               {"source", state.source}};
  if (state.evaluation_due) root["evaluation_due"] = true;
  if (state.skipped > 0) root["skipped"] = state.skipped;
  for (const FileCheck& file : stored.files) {
    root["files"][file.name] = {{"bytes", file.bytes}, {"crc32c", file.crc}};
  }
  root["crc32c"] = own_checksum(root);
  return root.dump(1) + "\n";
}

StoredState state_from_json(const std::string& text, const std::string& path) {
  check_json_depth(text, path);
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) fail(ErrorKind::corrupt, path + ": is not a JSON object");
  if (root.value("format", json()) != kFormat) {
    fail(ErrorKind::corrupt, path + ": is not the state of a checkpoint");
  }
  if (root.value("version", json()) != kVersion) {
    fail(ErrorKind::corrupt, path + ": has a version that this program does not know");
  }
  if (root.value("crc32c", json()) != own_checksum(root)) {
    fail(ErrorKind::corrupt, path + ": the checksum does not fit, the file is damaged");
  }
  try {
    return read_fields(root);
  } catch (const json::exception& error) {
    fail(ErrorKind::corrupt, path + ": " + error.what());
  }
}

}  // namespace memlong::train
