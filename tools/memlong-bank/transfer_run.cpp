#include "tools/memlong-bank/transfer_run.h"

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/log.h"
#include "membank/transfer.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"

namespace memlong::bank_tool {
namespace {

nlohmann::ordered_json left_out_json(const membank::TransferResult& result) {
  auto list = nlohmann::ordered_json::array();
  for (const membank::LeftOut& each : result.left_out) {
    list.push_back({{"document", each.id},
                    {"namespace", each.name_space},
                    {"name", each.name},
                    {"why", each.why}});
  }
  return list;
}

}  // namespace

int run_transfer(const membank::Bank& from, const std::filesystem::path& to,
                 const BankArguments& arguments) {
  std::error_code error;
  if (std::filesystem::equivalent(from.folder(), to, error)) {
    fail(ErrorKind::usage, "both banks are the same: " + to.string());
  }
  const auto target = membank::Bank::open(
      to, {.mode = membank::OpenMode::write, .fingerprint = from.fingerprint()});
  membank::TransferResult result;
  {
    tools::Progress progress("copy", "documents", 0, progress_style(arguments));
    result = membank::copy_documents(from, *target, arguments.name_spaces,
                                     [&](int64_t done, int64_t total) {
                                       tools::throw_if_stopped();
                                       progress.set_total(total);
                                       progress.update(done);
                                     });
  }
  for (const membank::LeftOut& each : result.left_out) {
    log::warn("document " + std::to_string(each.id) + " '" + tools::escape_terminal(each.name) +
              "' in namespace '" + tools::escape_terminal(each.name_space) +
              "' is not copied: " + each.why);
  }
  if (arguments.common.json) {
    tools::print_json({{"documents", result.documents},
                       {"skipped", result.skipped},
                       {"chunks", result.chunks},
                       {"tokens", result.tokens},
                       {"left_out", left_out_json(result)},
                       {"bank", to.string()}});
  } else {
    tools::print_out(counted(result.documents, "document") + " copied (" +
                     counted(result.chunks, "chunk") + ", " + counted(result.tokens, "token") +
                     "), " + std::to_string(result.skipped) + " known already\n");
  }
  return result.left_out.empty() ? tools::kExitOk : tools::kExitFailure;
}

}  // namespace memlong::bank_tool
