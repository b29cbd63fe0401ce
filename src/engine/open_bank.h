// The bank that goes with a model.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/loaded_model.h"
#include "membank/bank.h"

namespace memlong::engine {

/// Opens the bank in `folder` for this model; where there is none, mode write makes one. How a bank
/// keeps its keys and values is its own choice, made when it was new: bf16 here. A bank that is
/// open for writing notes where the model lies, and its sentence encoder, if it has noted nothing
/// that is still there. Errors: those of Bank::open; mismatch says in what the bank's model was
/// another one.
std::shared_ptr<membank::Bank> open_bank(const std::filesystem::path& folder,
                                         const LoadedModel& model,
                                         membank::OpenMode mode = membank::OpenMode::write);

}  // namespace memlong::engine
