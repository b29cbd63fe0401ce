// The folder of the model that a bank was made with.
#pragma once

#include <filesystem>

#include "membank/bank.h"

namespace memlong::tools {

/// `asked` (--model) where it was given, else the folder that the bank has noted. Errors: usage,
/// where none is known, or where the bank's is no longer there.
std::filesystem::path need_model(const std::filesystem::path& asked, const membank::Bank* bank);

/// The same for the bank in `folder`, which is opened for reading where there is one; `folder` may
/// be empty.
std::filesystem::path need_model_of(const std::filesystem::path& asked,
                                    const std::filesystem::path& folder);

}  // namespace memlong::tools
