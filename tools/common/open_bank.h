// The bank of dialogs.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "membank/bank.h"
#include "tools/common/talk_options.h"

namespace memlong::tools {

/// The folder of --model, else the one that the bank was made with. Errors: usage.
std::filesystem::path model_folder(const TalkOptions& options);

/// Opens the bank of --bank, for writing where dialogs are kept (`keeps`), else for reading; makes
/// it where there is none and they are. Null without --bank. Errors: those of Bank::open; busy says
/// what else can be done.
std::shared_ptr<membank::Bank> open_bank(const TalkOptions& options, bool keeps,
                                         const engine::LoadedModel& model);

/// What --read, --read-all and --document ask for; nothing where none of them was given. Errors:
/// usage, for a namespace or a document that is not there.
std::optional<engine::ReadScope> asked_scope(const TalkOptions& options, const membank::Bank& bank);

/// "the whole bank", "2 documents", for people; "its own dialog" first, where that is read too.
std::string describe_scope(const TalkOptions& options, const engine::ReadScope& scope);

}  // namespace memlong::tools
