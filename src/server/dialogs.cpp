#include "server/dialogs.h"

#include <algorithm>
#include <exception>
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

Dialogs::Place Dialogs::place(const ChatRequest& request) {
  return request.session.empty() ? unnamed(request) : named(request);
}

Dialogs::Place Dialogs::named(const ChatRequest& request) {
  const auto found = std::ranges::find_if(open_dialogs_, [&](const OpenDialog& dialog) {
    return dialog.name == request.session && dialog.name_space == request.name_space;
  });
  if (found != open_dialogs_.end()) use(found);
  engine::Session& session =
      found != open_dialogs_.end() ? *found->session : begin(request.session, request.name_space);
  const auto known = known_of_named(session.turns(), request.messages);
  if (!known) {
    fail(ErrorKind::mismatch,
         "session '" + request.session +
             "' has gone on in another way than these messages: send only what is new, or use "
             "another session");
  }
  return {&session, *known};
}

Dialogs::Place Dialogs::unnamed(const ChatRequest& request) {
  auto best = open_dialogs_.end();
  size_t known = 0;
  for (auto dialog = open_dialogs_.begin(); dialog != open_dialogs_.end(); ++dialog) {
    if (!dialog->name.empty() || dialog->name_space != request.name_space) continue;
    const std::vector<membank::Turn>& turns = dialog->session->turns();
    if (turns.size() <= known || !continues(turns, request.messages)) continue;
    best = dialog;
    known = turns.size();
  }
  if (best == open_dialogs_.end()) return {&begin({}, request.name_space), 0};
  use(best);
  return {best->session.get(), known};
}

engine::Session& Dialogs::begin(const std::string& name, const std::string& name_space) {
  while (open_dialogs_.size() >= most_) {
    OpenDialog& oldest = open_dialogs_.back();
    if (!oldest.name.empty()) keep(*oldest.session, oldest.name);
    open_dialogs_.pop_back();
  }
  open_dialogs_.push_front({name, name_space, open_(name, name_space)});
  return *open_dialogs_.front().session;
}

void Dialogs::use(std::list<OpenDialog>::iterator dialog) {
  open_dialogs_.splice(open_dialogs_.begin(), open_dialogs_, dialog);
}

void Dialogs::close_all() {
  for (const OpenDialog& dialog : open_dialogs_) {
    if (!dialog.name.empty()) keep(*dialog.session, dialog.name);
  }
  open_dialogs_.clear();
}

void Dialogs::drop(membank::DocumentId document) {
  open_dialogs_.remove_if(
      [&](const OpenDialog& dialog) { return dialog.session->document() == document; });
}

void Dialogs::drop(const engine::Session* session) {
  open_dialogs_.remove_if(
      [&](const OpenDialog& dialog) { return dialog.session.get() == session; });
}

void Dialogs::for_each(const std::function<void(engine::Session&, const std::string&)>& fn) {
  for (const OpenDialog& dialog : open_dialogs_) fn(*dialog.session, dialog.name_space);
}

}  // namespace memlong::server
