#include "server/document_query.h"

#include <charconv>

#include "common/error.h"
#include "engine/document_json.h"

namespace memlong::server {

std::string asked(const http::Request& request, const char* key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? std::string() : found->second;
}

membank::DocumentId document_number(std::string_view text) {
  membank::DocumentId number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool good = error == std::errc() && stop == end && number <= INT64_MAX;
  return good ? number : 0;
}

int64_t asked_number(const http::Request& request, const char* key, int64_t otherwise) {
  const std::string text = asked(request, key);
  if (text.empty()) return otherwise;
  const membank::DocumentId number = document_number(text);
  if (number == 0 && text != "0") {
    fail(ErrorKind::format,
         "'" + std::string(key) + "' must be a whole number, not '" + text + "'");
  }
  return static_cast<int64_t>(number);
}

bool DocumentQuery::matches(const membank::Document& document) const {
  return (name_space.empty() || document.name_space == name_space) &&
         (kind.empty() || engine::kind_name(document.kind) == kind) &&
         (name.empty() || document.name == name);
}

DocumentQuery document_query(const http::Request& request) {
  DocumentQuery query{.name_space = asked(request, "namespace"),
                      .kind = asked(request, "kind"),
                      .name = asked(request, "name")};
  if (!query.kind.empty() && query.kind != "text" && query.kind != "dialog") {
    fail(ErrorKind::format, "'kind' must be 'text' or 'dialog', not '" + query.kind + "'");
  }
  return query;
}

}  // namespace memlong::server
