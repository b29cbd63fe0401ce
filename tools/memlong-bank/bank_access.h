// What several commands ask of a bank.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/document_json.h"
#include "membank/bank.h"
#include "tokenizer/tokenizer.h"
#include "tools/common/progress.h"
#include "tools/memlong-bank/commands.h"

namespace memlong::bank_tool {

std::unique_ptr<membank::Bank> open_bank(const std::filesystem::path& folder,
                                         membank::OpenMode mode);

/// Errors: usage, naming one of --namespace that the bank does not have.
void check_name_spaces(const membank::Snapshot& snapshot, const BankArguments& arguments);

/// The documents that --namespace, --name and --kind leave, by id. A namespace that the bank does
/// not have is an error (usage).
std::vector<membank::Document> select_documents(const membank::Snapshot& snapshot,
                                                const BankArguments& arguments);

using engine::document_json;
using engine::kind_name;

/// The model's folder: --model, or the one that the bank was made with. Empty when neither is
/// there.
std::filesystem::path model_folder(const membank::Snapshot& snapshot,
                                   const BankArguments& arguments);

/// The tokenizer of that folder, checked against the bank. Null when there is no folder and none
/// was asked for. Errors: as load_tokenizer; mismatch.
std::shared_ptr<const tokenizer::Tokenizer> find_tokenizer(const membank::Bank& bank,
                                                           const membank::Snapshot& snapshot,
                                                           const BankArguments& arguments);
/// The same; without a folder Error{usage} that asks for --model.
std::shared_ptr<const tokenizer::Tokenizer> need_tokenizer(const membank::Bank& bank,
                                                           const membank::Snapshot& snapshot,
                                                           const BankArguments& arguments);

/// For Progress: nothing when --quiet.
tools::ProgressStyle progress_style(const BankArguments& arguments);

/// Asks on the terminal before something is removed, unless --yes was given. Errors: usage, where
/// standard input is no terminal; stopped, where the answer is no.
void confirm(const BankArguments& arguments, const std::string& command,
             const std::string& question);

/// The number that a word is; none for anything else.
std::optional<uint64_t> read_number(const std::string& word);

/// "1 document", "3 chunks".
std::string counted(int64_t count, const std::string& thing);
/// {"documents": .., "chunks": .., "tokens": ..}
nlohmann::ordered_json removed_json(const membank::Removed& removed);
std::string removed_text(const membank::Removed& removed);

}  // namespace memlong::bank_tool
