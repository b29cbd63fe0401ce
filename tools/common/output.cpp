#include "tools/common/output.h"

#include <cerrno>
#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tools/common/text.h"

namespace memlong::tools {
namespace {

[[noreturn]] void refuse_output() {
  if (errno == EPIPE) throw OutputClosed{};
  fail_errno("cannot write to", "standard output");
}

}  // namespace

void print_out(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) refuse_output();
}

void flush_out() {
  errno = 0;
  if (std::fflush(stdout) != 0) refuse_output();
}

std::string json_text(const nlohmann::ordered_json& value, int indent) {
  return escape_json(
      value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_json(const nlohmann::ordered_json& value, int indent) {
  print_out(json_text(value, indent) + "\n");
}

}  // namespace memlong::tools
