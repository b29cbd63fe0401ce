#include "server/dialogs.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "server/known_messages.h"

namespace memlong::server {

namespace {

void keep(engine::Session& session, const std::string& name) {
  try {
    session.save();
  } catch (const std::exception& error) {
    log::error("session '" + name + "': what was said last is not kept: " + error.what());
  }
}

}  // namespace

Dialogs::Dialogs(Open open, size_t most)
    : open_(std::move(open)), most_(std::max<size_t>(most, 1)) {}

std::optional<Dialogs::Place> Dialogs::lend(const ChatRequest& request) {
  return request.session.empty() ? unnamed(request) : named(request);
}

std::optional<Dialogs::Place> Dialogs::named(const ChatRequest& request) {
  auto dialog = std::ranges::find_if(open_dialogs_, [&](const OpenDialog& open) {
    return open.name == request.session && open.name_space == request.name_space;
  });
  if (dialog != open_dialogs_.end() && dialog->lent) return std::nullopt;
  if (dialog == open_dialogs_.end()) dialog = begin(request.session, request.name_space);
  if (dialog == open_dialogs_.end()) return std::nullopt;
  const auto known = known_of_named(dialog->session->turns(), request.messages);
  if (!known) {
    fail(ErrorKind::mismatch,
         "session '" + request.session +
             "' has gone on in another way than these messages: send only what is new, or use "
             "another session");
  }
  return use(dialog, *known);
}

std::optional<Dialogs::Place> Dialogs::unnamed(const ChatRequest& request) {
  auto best = open_dialogs_.end();
  size_t known = 0;
  for (auto dialog = open_dialogs_.begin(); dialog != open_dialogs_.end(); ++dialog) {
    if (dialog->lent || !dialog->name.empty() || dialog->name_space != request.name_space) continue;
    const std::vector<membank::Turn>& turns = dialog->session->turns();
    if (turns.size() <= known || !continues(turns, request.messages)) continue;
    best = dialog;
    known = turns.size();
  }
  if (best == open_dialogs_.end()) best = begin({}, request.name_space);
  if (best == open_dialogs_.end()) return std::nullopt;
  return use(best, known);
}

/// The one that was used longest ago; before it unnamed ones of a single question, such as clients
/// ask beside a talk. end(): all are lent.
Dialogs::Iterator Dialogs::worth_least() {
  constexpr size_t kSingle = 3;  // with a system prompt
  auto least = open_dialogs_.end();
  bool single = false;
  for (auto dialog = open_dialogs_.begin(); dialog != open_dialogs_.end(); ++dialog) {
    if (dialog->lent) continue;
    const bool asked_once = dialog->name.empty() && dialog->session->turns().size() <= kSingle;
    if (single && !asked_once) continue;
    least = dialog;
    single = asked_once;
  }
  return least;
}

/// end(): there is no place.
Dialogs::Iterator Dialogs::begin(const std::string& name, const std::string& name_space) {
  if (open_dialogs_.size() >= most_) {
    const Iterator least = worth_least();
    if (least == open_dialogs_.end()) return least;
    if (!least->name.empty()) keep(*least->session, least->name);
    open_dialogs_.erase(least);
  }
  open_dialogs_.push_front(
      {.name = name, .name_space = name_space, .session = open_(name, name_space)});
  return open_dialogs_.begin();
}

Dialogs::Place Dialogs::use(Iterator dialog, size_t known) {
  open_dialogs_.splice(open_dialogs_.begin(), open_dialogs_, dialog);
  dialog->lent = true;
  return {dialog->session.get(), known};
}

void Dialogs::give_back(const engine::Session* session, bool keep) {
  const auto dialog = std::ranges::find_if(
      open_dialogs_, [&](const OpenDialog& open) { return open.session.get() == session; });
  MEMLONG_CHECK(dialog != open_dialogs_.end() && dialog->lent, "a dialog that was lent");
  dialog->lent = false;
  if (keep && !dialog->last) return;
  if (keep && !dialog->name.empty()) server::keep(*dialog->session, dialog->name);
  open_dialogs_.erase(dialog);
}

void Dialogs::close_all() {
  for (OpenDialog& dialog : open_dialogs_) {
    dialog.last = true;
    if (!dialog.lent && !dialog.name.empty()) keep(*dialog.session, dialog.name);
  }
  open_dialogs_.remove_if([](const OpenDialog& dialog) { return !dialog.lent; });
}

void Dialogs::drop(std::span<const membank::DocumentId> documents) {
  const auto meant = [&](const OpenDialog& open) {
    return std::ranges::find(documents, open.session->document()) != documents.end();
  };
  for (const OpenDialog& dialog : open_dialogs_) {
    if (dialog.lent && meant(dialog)) {
      fail(ErrorKind::busy,
           "dialog '" + dialog.name + "' is being answered; try again when it is done");
    }
  }
  open_dialogs_.remove_if(meant);
}

void Dialogs::for_each(const std::function<void(engine::Session&, const std::string&)>& fn) {
  for (const OpenDialog& dialog : open_dialogs_) fn(*dialog.session, dialog.name_space);
}

}  // namespace memlong::server
