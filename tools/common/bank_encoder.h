// The sentence encoder that a bank was made with.
#pragma once

#include <filesystem>

#include "membank/bank.h"
#include "tools/common/model_options.h"

namespace memlong::tools {

/// Whether the bank's vectors are a sentence encoder's.
bool has_encoder(const membank::Bank& bank);

/// The encoder's folder: --encoder, else the one that the bank remembers. Whether it is the bank's
/// encoder is for its fingerprint to say. Errors: usage, asking for --encoder, where there is none.
std::filesystem::path encoder_folder(const membank::Bank& bank, const CommonOptions& common);

/// Where the bank in `folder` was made with a sentence encoder, the options say nothing of what
/// makes vectors, and the model's settings name no encoder, the options get that encoder's folder.
/// Errors: as encoder_folder().
void take_bank_encoder(const std::filesystem::path& folder, CommonOptions& common);

}  // namespace memlong::tools
