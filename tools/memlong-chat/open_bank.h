// The bank of a talk.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "membank/bank.h"
#include "tools/memlong-chat/options.h"

namespace memlong::tools {

/// The folder of --model, else the one that the bank was made with. Errors: usage.
std::filesystem::path model_folder(const ChatOptions& options);

/// Opens the bank of --bank for writing where the dialog is kept, else for reading; makes it where
/// there is none and the dialog is kept. Null without --bank. Errors: those of Bank::open; busy
/// says what else can be done.
std::shared_ptr<membank::Bank> open_bank(const ChatOptions& options,
                                         const engine::LoadedModel& model);

/// What else than its own dialog the session reads: what was asked for, else the texts of its
/// namespace (a kept session) or the whole bank (none). Errors: usage, for a namespace or a
/// document that is not there.
engine::ReadScope read_scope(const ChatOptions& options, const membank::Bank& bank);

/// "the whole bank", "2 texts of namespace default", for people.
std::string describe_scope(const ChatOptions& options, const engine::ReadScope& scope);

}  // namespace memlong::tools
