// A recipe as a whole: what makes two runs the same, and the file that a run leaves of it.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "engine/loaded_model.h"
#include "tools/memlong-train/arguments.h"

namespace memlong::train_tool {

/// Everything that decides the numbers of a run: options, settings, the model's weights (by
/// content). Where its files lie, evaluation and threads are not in it; data are checked by the
/// sources themselves.
nlohmann::ordered_json identity_of(const Arguments& arguments, const engine::LoadedModel& model);

/// Hex SHA-256 of it.
std::string fingerprint_of(const nlohmann::ordered_json& identity);

/// Names of the entries in which they differ with both values, "lr 0.001, not 0.0003; ...".
std::string differences(const nlohmann::ordered_json& theirs, const nlohmann::ordered_json& ours);

/// The recipe of a run's folder, as if it stood on the command line. Errors: usage, io.
void read_recipe(const std::filesystem::path& run, Arguments& arguments);

}  // namespace memlong::train_tool
