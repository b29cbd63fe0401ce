#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tools/common/output.h"
#include "tools/common/run.h"
#include "tools/common/signals.h"
#include "tools/common/text.h"
#include "tools/memlong-bank/bank_access.h"

namespace memlong::bank_tool {

int run_verify(const BankArguments& arguments) {
  const auto bank = open_bank(arguments.bank, membank::OpenMode::read);
  std::vector<membank::BadRecord> bad;
  int64_t records = 0;
  {
    tools::Progress progress("verify", "records", 0, progress_style(arguments));
    bad = bank->verify([&](int64_t done, int64_t total) {
      tools::throw_if_stopped();
      records = done;
      progress.set_total(total);
      progress.update(done);
    });
  }
  if (arguments.common.json) {
    nlohmann::ordered_json json = {{"ok", bad.empty()}, {"bad", nlohmann::ordered_json::array()}};
    for (const auto& each : bad) {
      json["bad"].push_back({{"database", each.database}, {"key", each.key}, {"what", each.what}});
    }
    json["records"] = records;
    tools::print_json(json);
  } else if (bad.empty()) {
    tools::print_out("ok: " + counted(records, "record") + " read, none damaged\n");
  } else {
    tools::Table table({"database", "key", "what"});
    for (const auto& each : bad) {
      table.row({tools::one_line(each.database, 20), tools::one_line(each.key, 72),
                 tools::one_line(each.what, 200)});
    }
    tools::print_out(table.text());
  }
  if (bad.empty()) return tools::kExitOk;
  tools::flush_out();
  fail(ErrorKind::corrupt, arguments.bank.string() + ": " +
                               counted(static_cast<int64_t>(bad.size()), "record") +
                               (bad.size() == 1 ? " is" : " are") +
                               " damaged; forget the documents they belong to and read them again");
}

}  // namespace memlong::bank_tool
