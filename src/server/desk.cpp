#include "server/desk.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/clock.h"
#include "common/error.h"
#include "engine/document_json.h"
#include "server/bank_access.h"
#include "server/document_query.h"
#include "server/json_body.h"

namespace memlong::server {

using json = nlohmann::ordered_json;

namespace {

constexpr int64_t kMostDocuments = 1000;

}  // namespace

Desk::Desk(std::shared_ptr<const engine::LoadedModel> model, std::shared_ptr<membank::Bank> bank,
           std::string model_name)
    : model_(std::move(model)),
      bank_(std::move(bank)),
      model_name_(std::move(model_name)),
      started_(now_micros() / 1'000'000) {}

std::unique_ptr<membank::Snapshot> Desk::snapshot() const {
  return need_bank(bank_.get()).snapshot();
}

json Desk::model_json() const {
  json model;
  model["id"] = model_name_;
  model["object"] = "model";
  model["created"] = started_;
  model["owned_by"] = "memlong";
  model["meta"] = {{"vocab_size", model_->config.vocab},
                   {"window", model_->settings.window},
                   {"chunk", model_->settings.chunk},
                   {"chat_template", model_->chat->name()}};
  return model;
}

http::Response Desk::models() const {
  return json_response({{"object", "list"}, {"data", json::array({model_json()})}});
}

http::Response Desk::model(std::string_view name) const {
  if (name != model_name_) return http::error_response(404, "the model is " + model_name_);
  return json_response(model_json());
}

http::Response Desk::tokenize(std::string_view body) const {
  const auto request = parse_body(body);
  const std::string text = string_field(request, "content").value_or("");
  return json_response({{"tokens", model_->tokens->encode(text)}});
}

http::Response Desk::detokenize(std::string_view body) const {
  const auto request = parse_body(body);
  const auto list = request.find("tokens");
  if (list == request.end() || !list->is_array()) {
    fail(ErrorKind::format, "'tokens' must be a list of token numbers");
  }
  tokenizer::Ids ids;
  for (const auto& id : *list) {
    const int64_t number = id.is_number_unsigned() ? id.get<int64_t>() : -1;
    if (number < 0 || number >= model_->tokens->vocab_size()) {
      fail(ErrorKind::format, "'tokens' must be numbers from 0 to " +
                                  std::to_string(model_->tokens->vocab_size() - 1));
    }
    ids.push_back(static_cast<int32_t>(number));
  }
  return json_response({{"content", model_->tokens->decode(ids)}});
}

http::Response Desk::bank() const {
  const auto now = snapshot();
  const membank::BankStats stats = now->stats();
  json value;
  value["folder"] = bank_->folder().string();
  value["writable"] = bank_->writable();
  value["documents"] = stats.documents;
  value["chunks"] = stats.chunks;
  value["tokens"] = stats.tokens;
  value["bytes"] = stats.bytes;
  value["used_bytes"] = stats.used_bytes;
  value["embedder"] = bank_->fingerprint().embedder;
  value["fingerprint"] = bank_->fingerprint().digest();
  value["namespaces"] = json::array();
  for (const auto& [name, id] : now->name_spaces()) value["namespaces"].push_back(name);
  return json_response(value);
}

http::Response Desk::documents(const http::Request& request) const {
  const DocumentQuery query = document_query(request);
  const auto after = static_cast<membank::DocumentId>(asked_number(request, "after", 0));
  const int64_t limit = std::clamp<int64_t>(asked_number(request, "limit", 100), 1, kMostDocuments);
  json list = json::array();
  bool more = false;
  for (const membank::Document& document : snapshot()->documents()) {
    if (document.id <= after || !query.matches(document)) continue;
    if (static_cast<int64_t>(list.size()) == limit) {
      more = true;
      break;
    }
    list.push_back(engine::document_json(document));
  }
  return json_response({{"object", "list"}, {"data", std::move(list)}, {"has_more", more}});
}

http::Response Desk::document(const http::Request& request, membank::DocumentId id) const {
  const auto now = snapshot();
  const auto document = now->document(id);
  if (!document) return http::error_response(404, "there is no such document in the bank");
  json value = engine::document_json(*document);
  if (document->kind == membank::DocumentKind::dialog) {
    value["messages"] = json::array();
    for (const membank::Turn& turn : now->turns(id)) {
      value["messages"].push_back(
          {{"role", turn.role}, {"content", turn.content}, {"time", format_time(turn.time)}});
    }
  } else if (asked(request, "text") == "true") {
    value["text"] = now->text(id);
  }
  return json_response(value);
}

}  // namespace memlong::server
