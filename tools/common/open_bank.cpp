#include "tools/common/open_bank.h"

#include "common/error.h"
#include "tools/common/bank_model.h"

namespace memlong::tools {

using membank::Bank;
using membank::OpenMode;

std::filesystem::path model_folder(const TalkOptions& options) {
  return need_model_of(options.common.model, options.bank);
}

namespace {

/// The dtype of a bank that is there is the bank's choice, not the model's.
DType kv_dtype(const std::filesystem::path& folder) {
  return Bank::exists(folder) ? Bank::open(folder, {})->fingerprint().kv_dtype : DType::bf16;
}

/// Also where the one who made the bank was killed before he had noted it, or it has moved since.
void note_folder(Bank& bank, const std::string& key, const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::string stored = bank.snapshot()->blob(key);
  const bool known = !stored.empty() && std::filesystem::is_directory(stored, ignored);
  if (!bank.writable() || known) return;
  const std::string path = std::filesystem::absolute(folder).lexically_normal().string();
  bank.update([&](membank::Transaction& change) { change.set_blob(key, path); });
}

std::string list_names(const std::map<std::string, uint32_t>& spaces) {
  std::string text;
  for (const auto& [name, id] : spaces) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

}  // namespace

std::shared_ptr<Bank> open_bank(const TalkOptions& options, bool keeps,
                                const engine::LoadedModel& model) {
  if (options.bank.empty()) return nullptr;
  membank::BankOptions wanted;
  wanted.mode = keeps ? OpenMode::write : OpenMode::read;
  const bool is_new = !Bank::exists(options.bank);
  if (is_new && !keeps) {
    fail(ErrorKind::usage,
         "there is no bank in " + options.bank.string() +
             "; memlong-ingest makes one, and so do dialogs that are kept: memlong-chat "
             "--session NAME, or memlong-serve without --no-save");
  }
  wanted.fingerprint = model.fingerprint(kv_dtype(options.bank));
  std::shared_ptr<Bank> bank;
  try {
    bank = Bank::open(options.bank, wanted);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::busy) throw;
    fail(ErrorKind::busy, std::string(error.what()) +
                              ", or add --no-save: then the bank is read and nothing is kept");
  }
  note_folder(*bank, "model", model.folder);
  if (model.encoder != nullptr) note_folder(*bank, "encoder", model.encoder->folder());
  return bank;
}

std::optional<engine::ReadScope> asked_scope(const TalkOptions& options, const Bank& bank) {
  if (!options.read_all && options.read.empty() && options.documents.empty()) return std::nullopt;
  engine::ReadScope scope;
  const auto snapshot = bank.snapshot();
  const auto spaces = snapshot->name_spaces();
  scope.everything = options.read_all;
  for (const std::string& name : options.read) {
    if (!spaces.contains(name)) {
      fail(ErrorKind::usage, "--read " + name + ": there is no such namespace in " +
                                 bank.folder().string() + " (there are: " + list_names(spaces) +
                                 ")");
    }
    scope.name_spaces.push_back(name);
  }
  for (const int64_t id : options.documents) {
    if (!snapshot->document(static_cast<membank::DocumentId>(id))) {
      fail(ErrorKind::usage, "--document " + std::to_string(id) +
                                 ": there is no such document in " + bank.folder().string() +
                                 " (see memlong-bank list)");
    }
    scope.documents.push_back(static_cast<membank::DocumentId>(id));
  }
  return scope;
}

std::string describe_scope(const TalkOptions& options, const engine::ReadScope& scope) {
  if (!options.memory) return "nothing (--no-memory)";
  if (scope.everything) return "the whole bank";
  std::string text = "its own dialog";
  for (const std::string& name : scope.name_spaces) text += ", namespace " + name;
  if (!scope.documents.empty()) {
    text += ", " + std::to_string(scope.documents.size()) +
            (scope.documents.size() == 1 ? " document" : " documents");
  }
  return text;
}

}  // namespace memlong::tools
