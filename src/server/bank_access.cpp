#include "server/bank_access.h"

#include "common/error.h"

namespace memlong::server {

membank::Bank& need_bank(membank::Bank* bank) {
  if (bank == nullptr) {
    fail(ErrorKind::usage, "this server has no bank; it is started with --bank DIR for one");
  }
  return *bank;
}

membank::Bank& bank_to_change(membank::Bank* bank) {
  if (!need_bank(bank).writable()) {
    fail(ErrorKind::usage, "the bank is open for reading only (--no-save)");
  }
  return *bank;
}

}  // namespace memlong::server
