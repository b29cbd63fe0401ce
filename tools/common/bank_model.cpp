#include "tools/common/bank_model.h"

#include "common/error.h"

namespace memlong::tools {

namespace fs = std::filesystem;
using membank::Bank;

fs::path need_model(const fs::path& asked, const Bank* bank) {
  if (!asked.empty()) return asked;
  const fs::path noted = bank == nullptr ? "" : bank->snapshot()->blob("model");
  if (noted.empty()) {
    fail(ErrorKind::usage, "--model DIR is missing: a folder with config.json and weights");
  }
  std::error_code error;
  if (fs::is_directory(noted, error)) return noted;
  fail(ErrorKind::usage, "the model of bank " + bank->folder().string() + " is no longer in " +
                             noted.string() + "; give its folder with --model DIR");
}

fs::path need_model_of(const fs::path& asked, const fs::path& folder) {
  if (!asked.empty() || folder.empty() || !Bank::exists(folder)) return need_model(asked, nullptr);
  return need_model(asked, Bank::open(folder, {}).get());
}

}  // namespace memlong::tools
