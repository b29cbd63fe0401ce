#include "tools/common/bank_encoder.h"

#include "common/error.h"
#include "retriever/embedder.h"

namespace memlong::tools {

namespace fs = std::filesystem;

bool has_encoder(const membank::Bank& bank) {
  return bank.fingerprint().embedder.starts_with(retriever::kEncoderPrefix);
}

fs::path encoder_folder(const membank::Bank& bank, const CommonOptions& common) {
  if (!common.encoder.empty()) return common.encoder;
  const std::string stored = bank.snapshot()->blob("encoder");
  std::error_code ignored;
  if (!stored.empty() && fs::is_directory(stored, ignored)) return stored;
  fail(ErrorKind::usage, "bank " + bank.folder().string() + " was made with a sentence encoder" +
                             (stored.empty() ? "" : ", which is no longer in " + stored) +
                             "; give its folder with --encoder DIR");
}

void take_bank_encoder(const fs::path& folder, CommonOptions& common) {
  const bool open = common.embedder.empty() || common.embedder == "encoder";
  if (!open || !common.encoder.empty() || folder.empty() || !membank::Bank::exists(folder)) return;
  const auto bank = membank::Bank::open(folder, {});
  if (!has_encoder(*bank)) return;
  const model::MemorySettings own =
      model::find_settings(common.model, model::load_config(common.model), find_configs());
  if (own.embedder == "encoder" && !own.encoder.empty()) return;
  common.encoder = encoder_folder(*bank, common).string();
}

}  // namespace memlong::tools
