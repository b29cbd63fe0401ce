#include "tools/memlong-chat/feed.h"

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/error.h"
#include "tools/common/progress.h"
#include "tools/common/signals.h"
#include "tools/memlong-chat/dialog_file.h"

namespace memlong::tools {

namespace {

int64_t count_tokens(const Chat& chat, const std::vector<tokenizer::Message>& messages,
                     size_t first) {
  size_t tokens = 0;
  const auto& turns = chat.session().turns();
  std::string previous = turns.empty() ? "" : turns.back().role;
  for (size_t i = first; i < messages.size(); ++i) {
    const size_t before = turns.size() + i - first;
    tokens += chat.model().chat->encode(messages[i], before, previous).ids.size();
    previous = messages[i].role;
  }
  return static_cast<int64_t>(tokens);
}

[[noreturn]] void fail_stopped(const Chat& chat, size_t done, size_t total) {
  std::string message = "stopped after " + std::to_string(done) + " of " + std::to_string(total) +
                        " turns of the dialog";
  if (chat.options().keeps()) message += "; they are kept, and the same command goes on from there";
  fail(ErrorKind::stopped, message);
}

/// False: a stop was asked for in the middle of it.
bool taken_in(engine::Session& session, const tokenizer::Message& message) {
  try {
    session.add(message);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::stopped) throw;
    return false;
  }
}

}  // namespace

FeedResult feed_dialog(Chat& chat, const std::vector<tokenizer::Message>& messages) {
  constexpr int64_t kTurnsBetweenSaves = 64;
  constexpr double kSecondsBetweenSaves = 2.0;
  engine::Session& session = chat.session();
  const size_t first = known_messages(session.turns(), messages);
  const int64_t start = session.tokens();
  FeedResult result;
  result.known = static_cast<int64_t>(first);
  Progress progress("dialog", "tokens", count_tokens(chat, messages, first),
                    chat.options().common.quiet ? ProgressStyle::none : ProgressStyle::automatic);
  const Stopwatch watch;
  Stopwatch since_save;
  for (size_t i = first; i < messages.size(); ++i) {
    if (stop_requested() || !taken_in(session, messages[i])) {
      session.save();
      fail_stopped(chat, i, messages.size());
    }
    ++result.turns;
    progress.update(session.tokens() - start);
    if (result.turns % kTurnsBetweenSaves == 0 || since_save.seconds() > kSecondsBetweenSaves) {
      session.save();
      since_save.restart();
    }
  }
  session.save();
  result.tokens = session.tokens() - start;
  progress.set_total(result.tokens);  // what opens a dialog counts too
  progress.finish();
  result.seconds = watch.seconds();
  chat.count_read(result.tokens, result.seconds);
  return result;
}

nlohmann::ordered_json feed_json(const Chat& chat, const FeedResult& result) {
  nlohmann::ordered_json value;
  value["turns"] = result.turns;
  value["turns_known"] = result.known;
  value["tokens"] = result.tokens;
  value["seconds"] = result.seconds;
  value["tokens_per_second"] =
      result.seconds > 0 ? static_cast<double>(result.tokens) / result.seconds : 0.0;
  value["session"] = chat.options().session;
  value["session_tokens"] = chat.session().tokens();
  value["session_turns"] = chat.session().turns().size();
  value["document"] = chat.session().document();
  return value;
}

}  // namespace memlong::tools
