#include "engine/open_bank.h"

#include <string>

namespace memlong::engine {
namespace {

using membank::Bank;

/// Also where the one who made the bank was killed before he had noted it, or it has moved since.
void note_folder(Bank& bank, const std::string& key, const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::string stored = bank.snapshot()->blob(key);
  const bool known = !stored.empty() && std::filesystem::is_directory(stored, ignored);
  if (!bank.writable() || known) return;
  const std::string path = std::filesystem::absolute(folder).lexically_normal().string();
  bank.update([&](membank::Transaction& change) { change.set_blob(key, path); });
}

}  // namespace

std::shared_ptr<Bank> open_bank(const std::filesystem::path& folder, const LoadedModel& model,
                                membank::OpenMode mode) {
  const DType kept =
      Bank::exists(folder) ? Bank::open(folder, {})->fingerprint().kv_dtype : DType::bf16;
  std::shared_ptr<Bank> bank =
      Bank::open(folder, {.mode = mode, .fingerprint = model.fingerprint(kept)});
  note_folder(*bank, "model", model.folder);
  if (model.encoder != nullptr) note_folder(*bank, "encoder", model.encoder->folder());
  return bank;
}

}  // namespace memlong::engine
