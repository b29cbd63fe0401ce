#include "tools/kills/scenario.h"

#include <utility>

#include "common/error.h"
#include "tools/bank_difference.h"

namespace memlong::kills {

Scenario::Scenario(std::string name, int weight, Path before)
    : name_(std::move(name)), weight_(weight), before_(std::move(before)) {}

void Scenario::begin(const Path& bank) {
  if (before_.empty()) {
    std::filesystem::remove_all(bank);
  } else {
    copy_folder(before_, bank);
  }
}

int64_t Scenario::progress(const Path& folder) const {
  const auto bank = open_bank(folder);
  if (bank == nullptr) return 0;
  const membank::BankStats stats = bank->snapshot()->stats();
  return stats.chunks + stats.documents;
}

std::string Scenario::look(const Path& /*bank*/, const Path& /*whole*/,
                           const std::string& /*output*/) {
  return {};
}

std::string Scenario::difference(const Path& whole, const Path& bank) const {
  return tools_test::bank_difference(whole, bank, {.numbers = true, .verify = false});
}

std::unique_ptr<membank::Bank> open_bank(const Path& folder) {
  try {
    return membank::Bank::open(folder,
                               {.mode = membank::OpenMode::read, .fingerprint = std::nullopt});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return nullptr;
  }
}

void copy_folder(const Path& from, const Path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace memlong::kills
