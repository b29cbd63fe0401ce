#include "server/chat.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "server/errors.h"
#include "server/json_body.h"

namespace memlong::server {

using json = nlohmann::ordered_json;

namespace {

json retrieved_json(const engine::Session& session, const engine::Answer& answer,
                    const engine::Memory* memory) {
  json list = json::array();
  for (const engine::RetrievedChunk& chunk : answer.retrieved) {
    json row;
    row["chunk"] = chunk.id;
    row["document"] = chunk.document;
    const bool own = chunk.document == 0 || chunk.document == session.document();
    const auto document = own || memory == nullptr
                              ? std::nullopt
                              : memory->bank().snapshot()->document(chunk.document);
    row["name"] = own ? json("this dialog") : document ? json(document->name) : json();
    row["position"] = chunk.begin;
    row["tokens"] = chunk.tokens;
    row["score"] = chunk.score;
    row["attention"] = chunk.attention;
    row["text"] = session.text_of(chunk);
    list.push_back(std::move(row));
  }
  return list;
}

json about_json(const ChatRequest& request, const engine::Session& session,
                const engine::Answer& answer, const engine::Memory* memory) {
  json about;
  about["session"] = request.session.empty() ? json() : json(request.session);
  about["document"] = session.document() == 0 ? json() : json(session.document());
  about["dialog_tokens"] = session.tokens();
  about["dialog_turns"] = session.turns().size();
  about["retrieved_chunks"] = answer.retrieved.size();
  if (request.retrieved) about["retrieved"] = retrieved_json(session, answer, memory);
  return about;
}

/// An answer that the dialog holds.
engine::Answer answer_of(const membank::Turn& turn, const std::vector<int32_t>& tokens) {
  engine::Answer answer;
  answer.text = turn.content;
  answer.ids.assign(tokens.begin() + turn.content_begin, tokens.begin() + turn.content_end);
  return answer;
}

}  // namespace

Chat::Chat(std::shared_ptr<http::Exchange> exchange, Stop stop, ChatRequest request,
           const std::string& model_name)
    : exchange_(std::move(exchange)),
      stop_(std::move(stop)),
      request_(std::move(request)),
      reply_(model_name) {}

void Chat::begin(const Dialogs::Place& place) {
  session_ = place.session;
  next_ = place.known;
  held_ = session_->tokens();
  told_ = next_ == request_.messages.size() && session_->turns().back().role == "assistant";
  if (!request_.stream) return;
  http::Response head;
  head.type = "text/event-stream";
  head.headers.emplace_back("X-Accel-Buffering", "no");  // a proxy hands events on at once
  exchange_->begin(std::move(head));
  exchange_->write(reply_.opening());
}

bool Chat::feed(int64_t most) {
  if (told_) return false;
  while (!session_->busy() && next_ < request_.messages.size()) {
    session_->begin_add(request_.messages[next_++]);
    if (request_.session.empty() && session_->tokens() > most) {
      memlong::fail(ErrorKind::capacity,
                    "a dialog without a name may have " + std::to_string(most) +
                        " tokens (--unnamed-tokens); with \"session\" it is kept in the "
                        "bank, and may be longer");
    }
  }
  if (session_->busy()) return true;
  if (answers_) return false;
  answers_ = true;
  session_->begin_answer(request_.generate, [this](std::string_view text) {
    if (request_.stream) {
      exchange_->write(reply_.piece(text));
      heard_ = true;
    }
    return true;
  });
  return true;
}

void Chat::finish(const engine::Memory* memory) {
  const membank::Turn& turn = session_->turns().back();
  const engine::Answer answer =
      told_ ? answer_of(turn, session_->stream().tokens()) : session_->last_answer();
  const int64_t asked = turn.content_begin;
  const PromptTokens prompt{.all = asked, .cached = std::min(held_, asked)};
  const json about = about_json(request_, *session_, answer, memory);
  if (request_.stream) {
    if (told_) exchange_->write(reply_.piece(answer.text));
    exchange_->write(reply_.closing(answer, prompt, about, request_.include_usage));
    exchange_->end();
  } else {
    http::Response response;
    response.body = reply_.whole(answer, prompt, about);
    exchange_->respond(std::move(response));
  }
}

bool Chat::leave() {
  // An answer of which nobody has heard anything was never given, and the question may come again
  // in other words. What was read of an unnamed dialog is worth nothing: its client sends all of it
  // again.
  const bool goes_on = session_ != nullptr && !request_.session.empty() && (heard_ || !answers_);
  if (goes_on) {
    try {
      session_->give_up();
    } catch (const std::exception& error) {
      fail(error);
      return false;
    }
  }
  fail(
      Error(ErrorKind::stopped, answers_ ? "the answer was stopped" : "stopped before the answer"));
  return goes_on;
}

void Chat::fail(const std::exception& error) {
  http::Response told = error_response_for(error);
  if (session_ == nullptr || !request_.stream) return exchange_->respond(std::move(told));
  exchange_->write("data: " + told.body + "\n\n");
  exchange_->end();
}

}  // namespace memlong::server
