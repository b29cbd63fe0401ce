#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/memlong-bank/bank_access.h"
#include "tools/memlong-bank/line_sink.h"
#include "tools/memlong-bank/transfer_run.h"

namespace memlong::bank_tool {
namespace {

/// One line: what memlong-ingest --jsonl-field text reads again, and what anybody can.
std::string record_line(const membank::Snapshot& snapshot, const membank::Document& document) {
  nlohmann::ordered_json json = {
      {"text", snapshot.text(document.id)},       {"name", document.name},
      {"namespace", document.name_space},         {"kind", kind_name(document.kind)},
      {"created", format_time(document.created)}, {"updated", format_time(document.updated)}};
  if (document.kind == membank::DocumentKind::dialog) {
    json["turns"] = nlohmann::ordered_json::array();
    for (const membank::Turn& turn : snapshot.turns(document.id)) {
      json["turns"].push_back(
          {{"role", turn.role}, {"content", turn.content}, {"time", format_time(turn.time)}});
    }
  }
  return tools::json_text(json);
}

}  // namespace

int run_export(const BankArguments& arguments) {
  if (!arguments.kv.empty() && !arguments.out.empty()) {
    fail(ErrorKind::usage, "export: --kv and --out do not go together");
  }
  const auto bank = open_bank(arguments.bank, membank::OpenMode::read);
  if (!arguments.kv.empty()) {
    check_name_spaces(*bank->snapshot(), arguments);
    return run_transfer(*bank, arguments.kv, arguments);
  }
  const auto documents = select_documents(*bank->snapshot(), arguments);

  const auto style = arguments.out.empty() ? tools::ProgressStyle::none : progress_style(arguments);
  tools::Progress progress("export", "documents", static_cast<int64_t>(documents.size()), style);
  LineSink sink(arguments.out);
  int64_t written = 0;
  for (const membank::Document& document : documents) {
    tools::throw_if_stopped();
    const auto snapshot = bank->snapshot();
    if (snapshot->document(document.id)) {
      sink.line(record_line(*snapshot, document));
      ++written;
    }
    progress.add(1);
  }
  sink.finish();
  progress.finish();
  if (arguments.out.empty()) return tools::kExitOk;
  if (arguments.common.json) {
    tools::print_json({{"documents", written}, {"file", arguments.out.string()}});
  } else {
    tools::print_out(counted(written, "document") + " written to " + arguments.out.string() + "\n");
  }
  return tools::kExitOk;
}

}  // namespace memlong::bank_tool
