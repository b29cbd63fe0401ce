// memlong-chat: talk with a model that remembers.
#include <cstdio>
#include <string>

#include "common/log.h"
#include "tools/common/run.h"
#include "tools/memlong-chat/chat.h"
#include "tools/memlong-chat/one_shot.h"
#include "tools/memlong-chat/options.h"
#include "tools/memlong-chat/repl.h"
#include "tools/memlong-chat/report.h"

namespace memlong::tools {
namespace {

void tell(const ChatOptions& options, const std::string& text) {
  if (!options.common.quiet) std::fputs(text.c_str(), stderr);
}

int chat_main(int argc, char** argv) {
  ChatOptions options;
  if (!parse_chat_options(argc, argv, options)) return kExitOk;
  Chat chat(options);
  if (!options.bank.empty() && options.session.empty()) {
    log::info("without --session the bank is read and nothing of this talk is kept");
  }
  int code = kExitOk;
  if (options.prompt || !options.dialog.empty()) code = run_one_shot(chat);
  if (code == kExitOk && options.talks()) {
    if (chat.knows_language()) chat.open({});
    tell(options, banner(chat) + "/help shows the commands.\n");
    code = run_repl(chat);
  }
  tell(options, "\n" + timing_block(chat.timing()));
  return code;
}

}  // namespace
}  // namespace memlong::tools

int main(int argc, char** argv) {
  return memlong::tools::run_tool(argc, argv, memlong::tools::chat_main);
}
