// A recipe as a whole: what makes two runs the same, and the file that a run leaves of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/loaded_model.h"
#include "tools/memlong-train/arguments.h"

namespace memlong::train_tool {

/// Everything that decides the numbers of a run: options, settings, the model's weights (by
/// content). Where its files lie, evaluation and threads are not in it; data are checked by the
/// sources themselves.
nlohmann::ordered_json identity_of(const Arguments& arguments, const engine::LoadedModel& model);

/// That of the run whose folder this is, from its run.json; null where it holds none. Errors: io,
/// format.
nlohmann::ordered_json stored_identity(const std::filesystem::path& run);

/// The hash of sif.safetensors in `ours` becomes what `theirs` says of it, which may be nothing.
void take_sif_of(const nlohmann::ordered_json& theirs, nlohmann::ordered_json& ours);

/// Hex SHA-256 of it.
std::string fingerprint_of(const nlohmann::ordered_json& identity);

/// Names of the entries in which they differ with both values, "lr 0.001, not 0.0003; ...".
std::string differences(const nlohmann::ordered_json& theirs, const nlohmann::ordered_json& ours);

/// The recipe of a run's folder, as if it stood on the command line, with these words over its own.
/// Errors: usage, io.
void read_recipe(const std::filesystem::path& run, const std::vector<std::string>& over,
                 Arguments& arguments);

}  // namespace memlong::train_tool
