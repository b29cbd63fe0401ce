// Which documents a request means: the number in its path, or what its query says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"
#include "membank/types.h"

namespace memlong::server {

/// The value of a key of the query; empty where it is missing.
std::string asked(const http::Request& request, const char* key);
/// A whole number from 0 on. Errors: format, naming the key.
int64_t asked_number(const http::Request& request, const char* key, int64_t otherwise);

/// A number of a document in a path or a query: digits alone. 0: it is none.
membank::DocumentId document_number(std::string_view text);

/// Each part that is empty holds for all.
struct DocumentQuery {
  std::string name_space;
  std::string kind;  ///< "text" or "dialog"
  std::string name;

  [[nodiscard]] bool matches(const membank::Document& document) const;
};

/// ?namespace=&kind=&name= Errors: format, for a kind that there is not.
DocumentQuery document_query(const http::Request& request);

}  // namespace memlong::server
