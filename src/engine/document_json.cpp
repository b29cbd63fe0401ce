#include "engine/document_json.h"

#include <nlohmann/json.hpp>

#include "common/clock.h"

namespace memlong::engine {

std::string kind_name(membank::DocumentKind kind) {
  return kind == membank::DocumentKind::dialog ? "dialog" : "text";
}

nlohmann::ordered_json document_json(const membank::Document& document) {
  nlohmann::ordered_json json = {{"document", document.id},
                                 {"name", document.name},
                                 {"namespace", document.name_space},
                                 {"kind", kind_name(document.kind)}};
  if (document.kind == membank::DocumentKind::text) json["complete"] = document.complete;
  json["chunks"] = document.chunks;
  json["tokens"] = document.tokens;
  json["text_bytes"] = document.text_bytes;
  json["created"] = format_time(document.created);
  json["updated"] = format_time(document.updated);
  return json;
}

}  // namespace memlong::engine
