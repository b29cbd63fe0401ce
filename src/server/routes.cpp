// The table of routes: docs/server.md is the same in words.
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "server/document_query.h"
#include "server/front.h"
#include "server/json_body.h"

namespace memlong::server {

namespace {

/// PUT /v1/bank/documents/NAME: the body is the text.
NewText put_text(const http::Request& request) {
  const auto name_space = request.query.find("namespace");
  return {.name = request.segments.back(),
          .name_space = name_space == request.query.end() ? std::string() : name_space->second,
          .text = request.body,
          .replace = true};
}

/// POST /v1/bank/documents
NewText posted_text(const http::Request& request) {
  const auto body = parse_body(request.body);
  return {.name = text_field(body, "name"),
          .name_space = string_field(body, "namespace").value_or(""),
          .text = text_field(body, "text"),
          .replace = bool_field(body, "replace").value_or(false)};
}

/// The number that ends the path. 0: it is none, and there is no such document.
membank::DocumentId number_in(const http::Request& request) {
  return document_number(request.segments.back());
}

}  // namespace

http::Response Front::health() const {
  return ready_ ? json_response({{"status", "ok"}}) : json_response({{"status", "loading"}}, 503);
}

http::Response Front::metrics_page() const {
  http::Response response;
  response.type = "text/plain; version=0.0.4";
  response.body = metrics_.text({.ready = ready_,
                                 .waiting = network_->waiting() + reader_->waiting(),
                                 .answering = answering_,
                                 .open_dialogs = open_dialogs_,
                                 .uptime_seconds = since_start_.seconds()});
  return response;
}

void Front::add_routes() {
  const auto here = [this](const char* method, const char* pattern, auto fn) {
    add(method, pattern, Place::here,
        [fn](const auto& exchange, const Stop&) { exchange->respond(fn(exchange->request())); });
  };
  const auto desk = [this](const char* method, const char* pattern, auto fn) {
    add(method, pattern, Place::desk, [this, fn](const auto& exchange, const Stop&) {
      exchange->respond(fn(*desk_, exchange->request()));
    });
  };
  const auto network = [this](const char* method, const char* pattern, auto fn) {
    add(method, pattern, Place::network, [this, fn](const auto& exchange, const Stop& stop) {
      exchange->respond(fn(*service_, exchange->request(), stop));
    });
  };
  const auto intake = [this](const char* method, const char* pattern, auto text_of) {
    add(method, pattern, Place::intake, [this, text_of](const auto& exchange, const Stop& stop) {
      exchange->respond(intake_->memorize(text_of(exchange->request()), stop));
    });
  };
  using Request = const http::Request&;

  here("GET", "/health", [this](Request) { return health(); });
  here("GET", "/metrics", [this](Request) { return metrics_page(); });

  desk("GET", "/v1/models", [](const Desk& at, Request) { return at.models(); });
  desk("GET", "/v1/models/*",
       [](const Desk& at, Request r) { return at.model(r.segments.back()); });
  desk("POST", "/tokenize", [](const Desk& at, Request r) { return at.tokenize(r.body); });
  desk("POST", "/detokenize", [](const Desk& at, Request r) { return at.detokenize(r.body); });
  desk("GET", "/v1/bank", [](const Desk& at, Request) { return at.bank(); });
  desk("GET", "/v1/bank/documents", [](const Desk& at, Request r) { return at.documents(r); });
  desk("GET", "/v1/bank/documents/*",
       [](const Desk& at, Request r) { return at.document(r, number_in(r)); });

  add("POST", "/v1/chat/completions", Place::answers,
      [this](const auto& exchange, const Stop& stop) { service_->chat(exchange, stop); });
  network("POST", "/v1/embeddings",
          [](Service& at, Request r, const Stop& stop) { return at.embeddings(r.body, stop); });
  network("POST", "/v1/bank/search",
          [](Service& at, Request r, const Stop& stop) { return at.search(r.body, stop); });
  intake("POST", "/v1/bank/documents", posted_text);
  intake("PUT", "/v1/bank/documents/*", put_text);
  network("DELETE", "/v1/bank/documents",
          [](Service& at, Request r, const Stop&) { return at.forget(r); });
  network("DELETE", "/v1/bank/documents/*",
          [](Service& at, Request r, const Stop&) { return at.forget(number_in(r)); });
}

}  // namespace memlong::server
