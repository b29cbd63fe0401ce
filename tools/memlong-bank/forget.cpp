#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/log.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {
namespace {

using membank::Document;

constexpr size_t kBatch = 32;  ///< documents a commit

uint64_t document_number(const std::string& word) {
  if (const auto number = read_number(word)) return *number;
  fail(ErrorKind::usage, "forget: '" + word + "' is not a document's number; --name '" + word +
                             "' forgets documents of this name");
}

std::vector<Document> chosen_documents(const membank::Snapshot& snapshot,
                                       const BankArguments& arguments) {
  if (arguments.ids.empty() && arguments.name.empty() && arguments.name_spaces.empty()) {
    fail(ErrorKind::usage, "forget what? Give documents' numbers, --name or --namespace");
  }
  std::vector<Document> documents = select_documents(snapshot, arguments);
  if (arguments.ids.empty()) {
    if (documents.empty() && !arguments.name.empty()) {
      fail(ErrorKind::usage, "the bank has no document '" + arguments.name +
                                 "' to forget (memlong-bank list shows what it has)");
    }
    return documents;
  }
  std::vector<Document> wanted;
  for (const std::string& word : arguments.ids) {
    const uint64_t id = document_number(word);
    const auto same = [id](const Document& each) { return each.id == id; };
    const auto found = std::find_if(documents.begin(), documents.end(), same);
    const bool gone = id > 0 && id <= snapshot.last_document() && !snapshot.document(id);
    if (found == documents.end() && gone) {
      log::info("document " + word + " is gone already");
      continue;
    }
    if (found == documents.end()) {
      fail(ErrorKind::usage, "the bank has no document " + word +
                                 (arguments.name_spaces.empty() && arguments.name.empty()
                                      ? ""
                                      : " of that namespace and name"));
    }
    if (std::none_of(wanted.begin(), wanted.end(), same)) wanted.push_back(*found);
  }
  return wanted;
}

std::string question(const std::vector<Document>& documents) {
  int64_t chunks = 0;
  for (const Document& each : documents) chunks += each.chunks;
  std::string text = "Forget " + counted(static_cast<int64_t>(documents.size()), "document") +
                     " (" + counted(chunks, "chunk") + ")";
  if (documents.size() == 1) text += ", " + tools::one_line(documents[0].name, 60);
  return text + "?";
}

membank::Removed remove(membank::Bank& bank, const std::vector<Document>& documents) {
  membank::Removed total;
  for (size_t begin = 0; begin < documents.size(); begin += kBatch) {
    tools::throw_if_stopped();
    const size_t end = std::min(begin + kBatch, documents.size());
    membank::Removed batch;
    bank.update([&](membank::Transaction& transaction) {
      batch = {};
      for (size_t i = begin; i < end; ++i) {
        const membank::Removed removed = transaction.forget(documents[i].id);
        batch.documents += removed.documents;
        batch.chunks += removed.chunks;
        batch.tokens += removed.tokens;
      }
    });
    total.documents += batch.documents;
    total.chunks += batch.chunks;
    total.tokens += batch.tokens;
  }
  return total;
}

}  // namespace

int run_forget(const BankArguments& arguments) {
  const auto mode = arguments.dry_run ? membank::OpenMode::read : membank::OpenMode::write;
  const auto bank = open_bank(arguments.bank, mode);
  const std::vector<Document> documents = chosen_documents(*bank->snapshot(), arguments);
  membank::Removed removed;
  if (arguments.dry_run) {
    for (const Document& each : documents) {
      ++removed.documents;
      removed.chunks += each.chunks;
      for (const auto& chunk : bank->snapshot()->document_chunks(each.id)) {
        removed.tokens += chunk.tokens;
      }
    }
  } else {
    if (!documents.empty()) confirm(arguments, "forget", question(documents));
    removed = remove(*bank, documents);
  }
  if (arguments.common.json) {
    nlohmann::ordered_json json = removed_json(removed);
    json["dry_run"] = arguments.dry_run;
    json["forgotten"] = nlohmann::ordered_json::array();
    for (const Document& each : documents) json["forgotten"].push_back(document_json(each));
    tools::print_json(json);
    return tools::kExitOk;
  }
  for (const Document& each : documents) {
    tools::print_out(std::to_string(each.id) + "  " + tools::one_line(each.name_space, 24) + "  " +
                     tools::one_line(each.name, 80) + "\n");
  }
  tools::print_out((arguments.dry_run ? "would forget " : "forgot ") + removed_text(removed) +
                   "\n");
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
