// A document of the bank in JSON, as every tool spells it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "membank/types.h"

namespace memlong::engine {

std::string kind_name(membank::DocumentKind kind);  ///< "text", "dialog"
/// All fields but the text; times as "2026-03-01T09:30:00Z".
nlohmann::ordered_json document_json(const membank::Document& document);

}  // namespace memlong::engine
