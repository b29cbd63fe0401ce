#include "tools/memlong-chat/forget.h"

#include <charconv>
#include <optional>

#include "common/error.h"
#include "tools/common/text.h"

namespace memlong::tools {

namespace {

using membank::Document;
using membank::DocumentKind;

std::optional<membank::DocumentId> as_number(const std::string& text) {
  membank::DocumentId id = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, id);
  if (error != std::errc() || stop != end) return std::nullopt;
  return id;
}

Document find_document(const Chat& chat, const std::string& which) {
  const auto snapshot = chat.memory()->bank().snapshot();
  std::optional<Document> found;
  if (which.empty()) {
    found = snapshot->document(chat.session().document());
    if (!found) fail(ErrorKind::usage, "nothing of this dialog is in the bank yet");
    return *found;
  }
  if (const auto id = as_number(which)) found = snapshot->document(*id);
  for (const DocumentKind kind : {DocumentKind::text, DocumentKind::dialog}) {
    if (!found) found = snapshot->find_name(chat.options().name_space, which, kind);
  }
  if (!found) {
    fail(ErrorKind::usage, "there is no document '" + which + "' in namespace " +
                               chat.options().name_space + " (memlong-bank list shows all)");
  }
  return *found;
}

bool taken(const Chat& chat, const std::string& name) {
  const auto snapshot = chat.memory()->bank().snapshot();
  return snapshot->find_name(chat.options().name_space, name, DocumentKind::dialog).has_value();
}

}  // namespace

std::string forget_document(Chat& chat, const std::string& which, const Confirm& confirm) {
  if (chat.memory() == nullptr || !chat.memory()->bank().writable()) {
    fail(ErrorKind::usage,
         "the bank is not open for writing: start with --bank and --session, without --no-save, or "
         "use memlong-bank forget; /reset begins a new dialog");
  }
  chat.session().save();
  const Document document = find_document(chat, which);
  const std::string what = (document.kind == DocumentKind::dialog ? "dialog " : "text ") +
                           one_line(document.name, 60) + " (" + std::to_string(document.chunks) +
                           " chunks, " + std::to_string(document.tokens) + " tokens)";
  if (!confirm("Forget " + what + "?")) return "Nothing was forgotten.";
  // The session is closed first: its window may hold keys and values of what goes.
  const std::string session = chat.options().session;
  chat.close();
  membank::Removed removed;
  chat.memory()->bank().update(
      [&](membank::Transaction& change) { removed = change.forget(document.id); });
  chat.memory()->refresh();
  chat.reopen(session);
  return "Forgot " + what + ": removed " + std::to_string(removed.documents) + " document, " +
         std::to_string(removed.chunks) + " chunks.";
}

std::string start_anew(Chat& chat, const std::string& name) {
  const std::string old = chat.options().session;
  const bool empty = chat.session().turns().empty();
  if (empty && name.empty()) return "This dialog is empty: there is nothing to begin anew.";
  if (!chat.options().keeps()) {
    if (!name.empty()) fail(ErrorKind::usage, "/reset takes no name when the dialog is not kept");
    chat.reopen({});
    return "A new dialog begins; nothing of the old one is remembered.";
  }
  std::string next = name;
  for (int number = 2; next.empty() || (name.empty() && taken(chat, next)); ++number) {
    next = old + "-" + std::to_string(number);
  }
  chat.session().save();
  if (taken(chat, next)) {
    fail(ErrorKind::usage, "the bank has a dialog " + next + " already; --session takes it up");
  }
  chat.reopen(next);
  const std::string begins = "A new dialog begins, kept as " + next;
  return empty ? begins + "; the old one was empty."
               : begins + "; the old one stays in the bank as " + old + ".";
}

}  // namespace memlong::tools
