// Service: the bank, beside the dialogs.
#include <span>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "engine/bank_embedder.h"
#include "server/bank_access.h"
#include "server/document_query.h"
#include "server/json_body.h"
#include "server/service.h"
#include "tokenizer/readable_text.h"

namespace memlong::server {

using json = nlohmann::ordered_json;

namespace {

constexpr int64_t kMostTexts = 2048;
constexpr int64_t kMostFound = 1000;

http::Response no_such_document() {
  return http::error_response(404, "there is no such document in the bank");
}

std::vector<std::string> inputs_of(const nlohmann::json& body) {
  const auto input = body.find("input");
  if (input != body.end() && input->is_string()) return {input->get<std::string>()};
  std::vector<std::string> texts;
  if (input != body.end() && input->is_array()) {
    for (const auto& text : *input) {
      if (!text.is_string())
        fail(ErrorKind::format, "'input' must be a string or a list of strings");
      texts.push_back(text.get<std::string>());
    }
  }
  if (texts.empty() || texts.size() > static_cast<size_t>(kMostTexts)) {
    fail(ErrorKind::format,
         "'input' must be a string or a list of 1 to " + std::to_string(kMostTexts) + " strings");
  }
  return texts;
}

}  // namespace

http::Response Service::embeddings(std::string_view text, const Stop& stop) {
  const nlohmann::json body = parse_body(text);
  const std::string format = string_field(body, "encoding_format").value_or("float");
  if (format != "float" && format != "base64") {
    fail(ErrorKind::format, "'encoding_format' must be 'float' or 'base64'");
  }
  const auto dimensions = integer_field(body, "dimensions", 1, INT32_MAX);
  json list = json::array();
  int64_t tokens = 0;
  for (const std::string& input : inputs_of(body)) {
    if (*stop) fail(ErrorKind::stopped, "stopped");
    tokens += static_cast<int64_t>(parts_.model->tokens->encode(input).size());
    json row;
    row["object"] = "embedding";
    row["index"] = list.size();
    const std::vector<float> vector = vector_of(input, stop);
    if (dimensions.value_or(embedder_->dim()) != embedder_->dim()) {
      fail(ErrorKind::format, "'dimensions' must be " + std::to_string(embedder_->dim()) +
                                  ", as the vectors have them");
    }
    row["embedding"] =
        format == "float" ? json(vector) : json(to_base64(std::as_bytes(std::span(vector))));
    list.push_back(std::move(row));
  }
  json value;
  value["object"] = "list";
  value["data"] = std::move(list);
  value["model"] = parts_.model_name + "/" + embedder_->name();
  value["usage"] = {{"prompt_tokens", tokens}, {"total_tokens", tokens}};
  return json_response(value);
}

http::Response Service::search(std::string_view text, const Stop& stop) {
  engine::Memory& memory = bank_memory();
  const nlohmann::json body = parse_body(text);
  const std::string query = text_field(body, "query");
  const int64_t most = integer_field(body, "top_k", 1, kMostFound).value_or(8);
  const std::string name_space = string_field(body, "namespace").value_or("");
  find_embedder();
  if (embedder_ == nullptr) {  // nothing has come into the bank yet
    return json_response({{"object", "list"}, {"data", json::array()}});
  }
  memory.refresh();
  const auto vectors =
      engine::text_vectors(*parts_.context, parts_.model, embedder_, query, stop.get());
  engine::ReadScope scope;
  scope.everything = name_space.empty();
  if (!name_space.empty()) scope.name_spaces.push_back(name_space);
  const auto snapshot = memory.bank().snapshot();
  json list = json::array();
  for (const engine::FoundChunk& hit : memory.search(vectors, most, memory.scope_filter(scope))) {
    const auto document = snapshot->document(hit.info.document);
    if (!document) continue;  // forgotten since
    json row;
    row["chunk"] = hit.info.id;
    row["document"] = hit.info.document;
    row["name"] = document->name;
    row["namespace"] = document->name_space;
    row["position"] = hit.info.begin;
    row["tokens"] = hit.info.tokens;
    row["score"] = hit.score;
    row["text"] =
        tokenizer::readable_text(*parts_.model->tokens, snapshot->chunk_tokens(hit.info.id));
    list.push_back(std::move(row));
  }
  return json_response({{"object", "list"}, {"data", std::move(list)}});
}

/// Returns the number of chunks that went.
int64_t Service::forget(std::span<const membank::DocumentId> documents) {
  dialogs_.drop(documents);
  int64_t chunks = 0;
  parts_.memory->bank().update([&](membank::Transaction& change) {
    for (const membank::DocumentId id : documents) chunks += change.forget(id).chunks;
  });
  follow_bank();
  return chunks;
}

http::Response Service::forget(membank::DocumentId id) {
  if (!bank_to_change(bank()).snapshot()->document(id)) return no_such_document();
  return json_response(
      {{"document", id}, {"deleted", true}, {"chunks", forget(std::span(&id, 1))}});
}

http::Response Service::forget(const http::Request& request) {
  const membank::Bank& kept = bank_to_change(bank());
  DocumentQuery query = document_query(request);
  if (query.name.empty()) {
    fail(ErrorKind::format, "forget what? .../documents/ID, or .../documents?name=NAME");
  }
  if (query.name_space.empty()) query.name_space = parts_.session.name_space;
  std::vector<membank::DocumentId> ids;
  for (const membank::Document& document : kept.snapshot()->documents()) {
    if (query.matches(document)) ids.push_back(document.id);
  }
  if (ids.empty()) return no_such_document();
  const int64_t chunks = forget(ids);
  return json_response({{"documents", ids}, {"deleted", true}, {"chunks", chunks}});
}

}  // namespace memlong::server
