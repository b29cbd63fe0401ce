// What /forget and /reset do.
#pragma once

#include <string>

#include "tools/memlong-chat/chat.h"
#include "tools/memlong-chat/commands.h"

namespace memlong::tools {

/// Removes a document (its number or its name in the session's namespace; empty: this dialog) from
/// the bank, after asking. Returns what to tell. Errors: usage, when nothing may be changed or
/// there is no such document.
std::string forget_document(Chat& chat, const std::string& which, const Confirm& confirm);

/// Begins a new dialog. A kept one stays in the bank; the new one is kept as `name`, else under the
/// first free "NAME-2", "NAME-3". Returns what to tell. Errors: usage, for a name that is taken.
std::string start_anew(Chat& chat, const std::string& name);

}  // namespace memlong::tools
