#include "tools/memlong-bank/bank_access.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/hash.h"
#include "tools/common/bank_model.h"

namespace memlong::bank_tool {
namespace fs = std::filesystem;
using membank::Bank;
using membank::Document;
using membank::Snapshot;

std::unique_ptr<Bank> open_bank(const fs::path& folder, membank::OpenMode mode) {
  if (!Bank::exists(folder)) {
    fail(ErrorKind::usage, "there is no bank in " + folder.string());
  }
  return Bank::open(folder, {.mode = mode, .fingerprint = std::nullopt});
}

void check_name_spaces(const Snapshot& snapshot, const BankArguments& arguments) {
  const auto known = snapshot.name_spaces();
  for (const std::string& name : arguments.name_spaces) {
    if (!known.contains(name)) {
      fail(ErrorKind::usage, "--namespace: the bank has no namespace '" + name + "'");
    }
  }
}

std::vector<Document> select_documents(const Snapshot& snapshot, const BankArguments& arguments) {
  check_name_spaces(snapshot, arguments);
  const auto& wanted = arguments.name_spaces;
  std::vector<Document> documents = snapshot.documents();
  std::erase_if(documents, [&](const Document& each) {
    const bool other_space =
        !wanted.empty() && std::find(wanted.begin(), wanted.end(), each.name_space) == wanted.end();
    return other_space || (!arguments.name.empty() && each.name != arguments.name) ||
           (!arguments.kind.empty() && kind_name(each.kind) != arguments.kind);
  });
  return documents;
}

fs::path model_folder(const Snapshot& snapshot, const BankArguments& arguments) {
  if (!arguments.common.model.empty()) return arguments.common.model;
  const fs::path stored = snapshot.blob("model");
  std::error_code error;
  return !stored.empty() && fs::is_directory(stored, error) ? stored : fs::path();
}

std::shared_ptr<const tokenizer::Tokenizer> find_tokenizer(const Bank& bank,
                                                           const Snapshot& snapshot,
                                                           const BankArguments& arguments) {
  const fs::path folder = model_folder(snapshot, arguments);
  if (folder.empty()) return nullptr;
  auto tokenizer = tokenizer::load_tokenizer(folder);
  const std::string hash = to_hex(tokenizer->hash());
  if (hash != bank.fingerprint().tokenizer) {
    fail(ErrorKind::mismatch, "the bank was made with another tokenizer than that of " +
                                  folder.string() + " (bank: " + bank.fingerprint().tokenizer +
                                  ", model: " + hash + "); give its model with --model");
  }
  return tokenizer;
}

std::shared_ptr<const tokenizer::Tokenizer> need_tokenizer(const Bank& bank,
                                                           const Snapshot& snapshot,
                                                           const BankArguments& arguments) {
  (void)tools::need_model(arguments.common.model, &bank);
  return find_tokenizer(bank, snapshot, arguments);
}

tools::ProgressStyle progress_style(const BankArguments& arguments) {
  return arguments.common.quiet ? tools::ProgressStyle::none : tools::ProgressStyle::automatic;
}

void confirm(const BankArguments& arguments, const std::string& command,
             const std::string& question) {
  if (arguments.yes) return;
  if (isatty(STDIN_FILENO) != 1) {
    fail(ErrorKind::usage, command + ": standard input is not a terminal: add --yes");
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return;
  fail(ErrorKind::stopped, command + ": nothing was removed");
}

std::optional<uint64_t> read_number(const std::string& word) {
  uint64_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number);
  return error == std::errc() && stop == end && !word.empty() ? std::optional(number)
                                                              : std::nullopt;
}

std::string counted(int64_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

nlohmann::ordered_json removed_json(const membank::Removed& removed) {
  return {{"documents", removed.documents}, {"chunks", removed.chunks}, {"tokens", removed.tokens}};
}

std::string removed_text(const membank::Removed& removed) {
  return counted(removed.documents, "document") + ", " + counted(removed.chunks, "chunk") + ", " +
         counted(removed.tokens, "token");
}

}  // namespace memlong::bank_tool
