#include "tools/memlong-bank/transfer_run.h"

namespace memlong::bank_tool {

int run_import(const BankArguments& arguments) {
  const auto from = open_bank(arguments.from, membank::OpenMode::read);
  check_name_spaces(*from->snapshot(), arguments);
  return run_transfer(*from, arguments.bank, arguments);
}

}  // namespace memlong::bank_tool
