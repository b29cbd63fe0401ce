// Service: answers.
#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "server/service.h"

namespace memlong::server {

namespace {

/// So long a prompt is read before answers beside it go on, and as long as that they do.
constexpr double kPromptSeconds = 0.1;
/// Where nobody is answered: after so long requests that came meanwhile, and stops, are looked at.
constexpr double kAloneSeconds = 1.0;
/// Fewer tokens at once cost too much each.
constexpr int64_t kFewestTokens = 64;

std::string join(const std::vector<tokenizer::Message>& messages) {
  std::string text;
  for (const tokenizer::Message& message : messages) text += message.content + "\n";
  return text;
}

}  // namespace

void Service::complete(ChatRequest& request) const {
  if (request.name_space.empty()) request.name_space = parts_.session.name_space;
  if (!parts_.system.empty() && request.messages.front().role != "system") {
    request.messages.insert(request.messages.begin(), {"system", parts_.system});
  }
  if (!request.session.empty()) (void)bank_memory();  // a name without a bank would be forgotten
}

void Service::chat(std::shared_ptr<http::Exchange> exchange, const Stop& stop) {
  ChatRequest request = parse_chat_request(exchange->request().body, parts_.generate);
  complete(request);
  chats_.emplace_back(std::move(exchange), stop, std::move(request), parts_.model_name);
}

bool Service::has_room() const {
  const size_t lent = answering();
  return lent < parts_.parallel && chats_.size() - lent < parts_.queue;
}

size_t Service::answering() const {
  return static_cast<size_t>(
      std::ranges::count_if(chats_, [](const Chat& chat) { return chat.session() != nullptr; }));
}

void Service::begin(Chat& chat) {
  const ChatRequest& request = chat.request();
  if (!chat.tried()) {
    follow_writers();
    settle_embedder(join(request.messages), !request.session.empty());
  }
  if (const auto place = dialogs_.lend(request)) {
    chat.begin(*place);
  } else {
    chat.wait();
  }
}

/// False: it has ended.
bool Service::take_turn(Chat& chat, bool may_lend) {
  try {
    if (chat.stopped()) {
      const bool goes_on = chat.leave();
      if (chat.answering()) metrics_.count_answer(chat.session()->last_answer());
      give_back(chat, goes_on);
      return false;
    }
    if (chat.session() == nullptr && (may_lend || !chat.tried())) begin(chat);
    if (chat.session() == nullptr || chat.feed(parts_.unnamed_tokens)) return true;
    if (chat.answering()) metrics_.count_answer(chat.session()->last_answer());
    chat.finish(parts_.memory.get());
    give_back(chat, true);
  } catch (const std::exception& error) {
    fail_chat(chat, error);
  }
  return false;
}

void Service::give_back(const Chat& chat, bool goes_on) {
  if (chat.session() == nullptr) return;
  dialogs_.give_back(chat.session(), goes_on);
  may_lend_ = true;
}

/// The dialog is taken back to what is kept in the bank, so that the same request can be made
/// again.
void Service::fail_chat(Chat& chat, const std::exception& error) {
  chat.fail(error);
  give_back(chat, false);
}

/// One step of each; prompts are read as far as `most` tokens. Those that fail are gone then.
Service::Ran Service::run(std::span<const ChatPlace> chats, int64_t most) {
  std::vector<engine::Session*> sessions;
  for (const ChatPlace& chat : chats) sessions.push_back(chat->session());
  const auto unread = [&sessions] {
    int64_t tokens = 0;
    for (const engine::Session* session : sessions) tokens += session->stream().unread();
    return tokens;
  };
  const int64_t before = unread();
  const Stopwatch watch;
  const std::vector<std::exception_ptr> errors = engine::step_together(sessions, most);
  const Ran ran{.seconds = watch.seconds(), .read = before - unread()};
  for (size_t i = 0; i < chats.size(); ++i) {
    if (errors[i] == nullptr) continue;
    try {
      std::rethrow_exception(errors[i]);
    } catch (const std::exception& error) {
      fail_chat(*chats[i], error);
    }
    chats_.erase(chats[i]);
  }
  return ran;
}

/// The first of them; the next one is next time's. Returns the seconds it took.
double Service::read_prompt(std::span<const ChatPlace> prompts, bool beside_answers) {
  const ChatPlace chat = prompts.front();
  chats_.splice(chats_.end(), chats_, chat);
  const double moment = beside_answers ? kPromptSeconds : kAloneSeconds;
  const auto most = static_cast<int64_t>(prompt_rate_ * moment);
  const Ran ran = run(prompts.first(1), std::max(kFewestTokens, most));
  if (ran.read > 0 && ran.seconds > 0) {
    prompt_rate_ = static_cast<double>(ran.read) / ran.seconds;
  }
  return ran.seconds;
}

bool Service::step() {
  if (chats_.empty()) return false;
  follow_texts();
  const bool may_lend = std::exchange(may_lend_, false);
  std::vector<ChatPlace> prompts;
  std::vector<ChatPlace> answers;
  for (ChatPlace chat = chats_.begin(); chat != chats_.end();) {
    const ChatPlace at = chat++;
    if (!take_turn(*at, may_lend)) {
      chats_.erase(at);
    } else if (at->session() != nullptr) {
      (at->session()->makes_token() ? answers : prompts).push_back(at);
    }
  }
  if (prompts.empty() || answers.empty()) prompt_debt_ = 0;
  if (!prompts.empty() && (answers.empty() || prompt_debt_ <= 0)) {
    prompt_debt_ += read_prompt(prompts, !answers.empty());
  } else if (!answers.empty()) {
    prompt_debt_ -= run(answers, 0).seconds;
  }
  return !chats_.empty();
}

}  // namespace memlong::server
