// Service: answers.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "server/chat_reply.h"
#include "server/errors.h"
#include "server/json_body.h"
#include "server/service.h"

namespace memlong::server {

using json = nlohmann::ordered_json;

namespace {

std::string join(const std::vector<tokenizer::Message>& messages) {
  std::string text;
  for (const tokenizer::Message& message : messages) text += message.content + "\n";
  return text;
}

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

}  // namespace

void Service::complete(ChatRequest& request) const {
  if (request.name_space.empty()) request.name_space = parts_.session.name_space;
  if (!parts_.system.empty() && request.messages.front().role != "system") {
    request.messages.insert(request.messages.begin(), {"system", parts_.system});
  }
  if (!request.session.empty()) (void)bank_memory();  // a name without a bank would be forgotten
}

void Service::chat(http::Exchange& exchange) {
  ChatRequest request = parse_chat_request(exchange.request().body, parts_.generate);
  complete(request);
  request.generate.keep_interrupted = request.stream;  // else nobody has heard any of it
  settle_embedder(join(request.messages), !request.session.empty());
  follow_writers();
  const Dialogs::Place place = dialogs_.place(request);
  engine::Session& session = *place.session;
  const int64_t held = session.tokens();
  const ChatReply reply(parts_.model_name);
  if (request.stream) {
    http::Response head;
    head.type = "text/event-stream";
    exchange.begin(std::move(head));
    exchange.write(reply.opening());
  }
  bool answered = false;
  try {
    for (size_t i = place.known; i < request.messages.size(); ++i) {
      if (stop_) fail(ErrorKind::stopped, "stopped before the answer");
      session.add(request.messages[i]);
    }
    const engine::Answer answer = session.answer(request.generate, [&](std::string_view text) {
      if (request.stream) exchange.write(reply.piece(text));
      return !stop_;
    });
    answered = true;
    metrics_.count_answer(answer);
    if (answer.reason == engine::StopReason::interrupted) {
      fail(ErrorKind::stopped, "the answer was stopped");
    }
    const int64_t asked = session.turns().back().content_begin;
    const PromptTokens prompt{.all = asked, .cached = std::min(held, asked)};
    const json about = about_json(request, session, answer, parts_.memory.get());
    if (request.stream) {
      exchange.write(reply.closing(answer, prompt, about, request.include_usage));
      exchange.end();
    } else {
      http::Response response;
      response.body = reply.whole(answer, prompt, about);
      exchange.respond(std::move(response));
    }
  } catch (const std::exception& error) {
    // A dialog goes on with what was read, or heard, before a stop. Any other error takes it back
    // to what is kept in the bank, so that the same request can be made again. What was read of an
    // unnamed one is worth nothing: its client sends all of it again.
    const auto* known = dynamic_cast<const Error*>(&error);
    const bool stopped = known != nullptr && known->kind() == ErrorKind::stopped;
    const bool unheard = answered && !request.stream;
    if (!stopped || unheard || request.session.empty()) dialogs_.drop(&session);
    if (!request.stream) throw;
    const http::Response told = error_response_for(error);
    exchange.write("data: " + told.body + "\n\n");
    exchange.end();
  }
}

}  // namespace memlong::server
