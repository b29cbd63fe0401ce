#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

int run_list(const BankArguments& arguments) {
  const auto bank = open_bank(arguments.bank, membank::OpenMode::read);
  std::vector<membank::Document> documents = select_documents(*bank->snapshot(), arguments);
  if (arguments.limit > 0 && static_cast<int64_t>(documents.size()) > arguments.limit) {
    documents.resize(static_cast<size_t>(arguments.limit));
  }
  if (arguments.common.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& document : documents) list.push_back(document_json(document));
    tools::print_json(list);
    return tools::kExitOk;
  }
  tools::Table table({">document", "kind", "namespace", ">chunks", ">tokens", "updated", "name"});
  for (const auto& document : documents) {
    const bool unfinished = document.kind == membank::DocumentKind::text && !document.complete;
    table.row({std::to_string(document.id),
               kind_name(document.kind) + (unfinished ? " (part)" : ""),
               tools::one_line(document.name_space, 24), tools::group_digits(document.chunks),
               tools::group_digits(document.tokens), format_time(document.updated),
               tools::one_line(document.name, 80)});
  }
  tools::print_out(table.rows() > 0 ? table.text() : "no documents\n");
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
