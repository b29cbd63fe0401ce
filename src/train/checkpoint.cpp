#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "model/safetensors.h"
#include "train/checkpoint_state.h"

namespace memlong::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::string_view kPartial = ".partial";
constexpr const char* kState = "state.json";
constexpr const char* kParameters = "parameters.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";

std::string folder_name(int64_t step) {
  char text[32];
  std::snprintf(text, sizeof(text), "%06lld", static_cast<long long>(step));
  return std::string(kPrefix) + text;
}

/// The step of "checkpoint-<step>"; -1 for any other name.
int64_t step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return -1;
  const char* end = name.data() + name.size();
  int64_t step = -1;
  const auto [last, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  return error == std::errc() && last == end ? step : -1;
}

void synced(const fs::path& folder) {
  if (!sync_folder(folder)) fail_errno("cannot sync", folder.string());
}

/// Removes the folder unless it was renamed.
struct PartialFolder {
  explicit PartialFolder(fs::path folder) : path(std::move(folder)) { fs::create_directory(path); }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;
  ~PartialFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::vector<fs::path> folders_in(const fs::path& out) {
  std::vector<fs::path> found;
  std::error_code error;
  const fs::file_status status = fs::status(out, error);
  if (status.type() == fs::file_type::not_found) return found;
  if (!error && !fs::is_directory(status)) return found;
  fs::directory_iterator entries(out, error);
  if (error) fail(ErrorKind::io, "cannot open " + out.string() + ": " + error.message());
  for (const auto& entry : entries) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  return found;
}

void remove_leftovers(const fs::path& out) {
  for (const fs::path& folder : folders_in(out)) {
    const std::string name = folder.filename().string();
    if (name.ends_with(kPartial) && step_of(folder.stem().string()) >= 0) fs::remove_all(folder);
  }
}

/// Of the checkpoints up to `step`, the newest `keep` stay. A folder that goes is renamed first:
/// half of it never counts as a checkpoint.
void remove_old(const fs::path& out, int64_t step, int64_t keep) {
  std::vector<std::pair<int64_t, fs::path>> found;
  for (const fs::path& folder : folders_in(out)) {
    const int64_t at = step_of(folder.filename().string());
    if (at >= 0 && at <= step) found.emplace_back(at, folder);
  }
  std::sort(found.begin(), found.end());
  const auto gone = static_cast<int64_t>(found.size()) - std::max<int64_t>(keep, 1);
  for (int64_t i = 0; i < gone; ++i) {
    const fs::path& folder = found[static_cast<size_t>(i)].second;
    const fs::path partial = folder.string() + std::string(kPartial);
    fs::rename(folder, partial);
    fs::remove_all(partial);
  }
}

FileCheck checked(const fs::path& folder, const std::string& name) {
  const MappedFile file(folder / name);
  return {.name = name, .bytes = file.bytes().size(), .crc = crc32c(file.bytes())};
}

std::map<std::string, Tensor> read_tensors(const fs::path& folder, const StoredState& stored,
                                           const std::string& name) {
  const fs::path path = folder / name;
  const auto entry = std::find_if(stored.files.begin(), stored.files.end(),
                                  [&](const FileCheck& file) { return file.name == name; });
  if (entry == stored.files.end()) {
    fail(ErrorKind::corrupt, (folder / kState).string() + ": says nothing about " + name);
  }
  const FileCheck found = checked(folder, name);
  if (found.bytes != entry->bytes) {
    fail(ErrorKind::corrupt, path.string() + ": " + std::to_string(found.bytes) + " bytes, not " +
                                 std::to_string(entry->bytes));
  }
  if (found.crc != entry->crc) {
    fail(ErrorKind::corrupt, path.string() + ": the checksum does not fit, the file is damaged");
  }
  const model::SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors;
  for (const std::string& key : file.names()) tensors[key] = Tensor::copy_of(file.get(key));
  return tensors;
}

fs::path write(const fs::path& out, const CheckpointState& state, const NamedTensors& parameters,
               const NamedTensors& optimizer, int64_t keep) {
  if (fs::create_directories(out)) synced(fs::absolute(out).parent_path());
  remove_leftovers(out);
  const fs::path folder = out / folder_name(state.step);
  if (fs::exists(folder)) fail(ErrorKind::io, folder.string() + " is there already");
  {
    const PartialFolder partial(folder.string() + std::string(kPartial));
    // Each of these syncs its file before it returns.
    model::write_safetensors(partial.path / kParameters, parameters);
    model::write_safetensors(partial.path / kOptimizer, optimizer);
    const StoredState stored{
        state, {checked(partial.path, kParameters), checked(partial.path, kOptimizer)}};
    write_file_atomic(partial.path / kState, state_to_json(stored));
    synced(partial.path);
    fs::rename(partial.path, folder);
    synced(out);
  }
  remove_old(out, state.step, keep);
  return folder;
}

}  // namespace

fs::path write_checkpoint(const fs::path& out, const CheckpointState& state,
                          const NamedTensors& parameters, const NamedTensors& optimizer,
                          int64_t keep) {
  try {
    return write(out, state, parameters, optimizer, keep);
  } catch (const fs::filesystem_error& error) {
    fail(ErrorKind::io, error.what());
  }
}

std::optional<fs::path> newest_checkpoint(const fs::path& out) {
  int64_t newest = -1;
  std::optional<fs::path> result;
  for (const fs::path& folder : folders_in(out)) {
    const int64_t step = step_of(folder.filename().string());
    if (step <= newest) continue;
    newest = step;
    result = folder;
  }
  if (!result) return result;
  for (const char* name : {kState, kParameters, kOptimizer}) {
    std::error_code ignored;
    if (fs::is_regular_file(*result / name, ignored)) continue;
    fail(ErrorKind::corrupt, result->string() + " has no " + name +
                                 ": it was damaged; take the folder away to go on without it");
  }
  return result;
}

LoadedCheckpoint read_checkpoint(const fs::path& folder) {
  const fs::path path = folder / kState;
  const StoredState stored = state_from_json(read_file(path), path.string());
  const int64_t named = step_of(folder.filename().string());
  if (named >= 0 && named != stored.state.step) {
    fail(ErrorKind::corrupt, folder.string() + " holds step " + std::to_string(stored.state.step) +
                                 ", not the one of its name");
  }
  return {.state = stored.state,
          .parameters = read_tensors(folder, stored, kParameters),
          .optimizer = read_tensors(folder, stored, kOptimizer)};
}

}  // namespace memlong::train
