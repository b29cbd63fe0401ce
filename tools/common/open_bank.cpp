#include "tools/common/open_bank.h"

#include "common/error.h"
#include "engine/open_bank.h"
#include "tools/common/bank_model.h"

namespace memlong::tools {

using membank::Bank;
using membank::OpenMode;

std::filesystem::path model_folder(const TalkOptions& options) {
  return need_model_of(options.common.model, options.bank);
}

namespace {

std::string list_names(const std::map<std::string, uint32_t>& spaces) {
  std::string text;
  for (const auto& [name, id] : spaces) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

}  // namespace

std::shared_ptr<Bank> open_bank(const TalkOptions& options, bool keeps,
                                const engine::LoadedModel& model) {
  if (options.bank.empty()) return nullptr;
  if (!keeps && !Bank::exists(options.bank)) {
    fail(ErrorKind::usage,
         "there is no bank in " + options.bank.string() +
             "; memlong-ingest makes one, and so do dialogs that are kept: memlong-chat "
             "--session NAME, or memlong-serve without --no-save");
  }
  try {
    return engine::open_bank(options.bank, model, keeps ? OpenMode::write : OpenMode::read);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::busy) throw;
    fail(ErrorKind::busy, std::string(error.what()) +
                              ", or add --no-save: then the bank is read and nothing is kept");
  }
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
