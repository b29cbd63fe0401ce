// Model and bank, opened for the server.
#pragma once

#include "server/service.h"
#include "tools/memlong-serve/arguments.h"

namespace memlong::serve_tool {

/// Errors: those of load_model, open_bank and asked_scope; capacity, where the memory plan does not
/// fit.
server::ServiceParts load_parts(ServeArguments arguments);

}  // namespace memlong::serve_tool
