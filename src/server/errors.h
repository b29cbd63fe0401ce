// Errors as answers.
#pragma once

#include <exception>

#include "http/message.h"

namespace memlong::server {

/// A defect (Error{internal}, or what is no Error) is logged, and its client learns only that there
/// was one.
http::Response error_response_for(const std::exception& error);

}  // namespace memlong::server
