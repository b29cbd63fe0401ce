// The dialogs that are open: which one does a request go on with?
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/session.h"
#include "server/chat_request.h"

namespace memlong::server {

/// Not thread-safe.
class Dialogs {
 public:
  /// Opens a dialog; `name` "": one that is not kept.
  using Open = std::function<std::unique_ptr<engine::Session>(const std::string& name,
                                                              const std::string& name_space)>;

  /// `most`: so many stay open; the one that was used last stays longest.
  Dialogs(Open open, size_t most);

  /// A dialog that is lent to a request until it is given back.
  struct Place {
    engine::Session* session = nullptr;
    size_t known = 0;  ///< messages that it holds already
  };

  /// The dialog of a request that has a name space: by its name; without one the open dialog that
  /// the messages go on with, else a new one. Nothing: it is lent, or as many as stay open are.
  /// Errors: mismatch (the named dialog has gone on in another way), those of opening.
  std::optional<Place> lend(const ChatRequest& request);
  /// `keep` false: it is closed, and what of it is not kept yet is lost.
  void give_back(const engine::Session* session, bool keep);

  /// What of a named one is not kept yet is; where that fails, the log says so. One that is lent is
  /// closed when it comes back.
  void close_all();
  /// Closes those that are to be forgotten. Errors: busy (one is lent; then none is closed).
  void drop(std::span<const membank::DocumentId> documents);
  /// For each, with its name space.
  void for_each(const std::function<void(engine::Session&, const std::string&)>& fn);
  [[nodiscard]] size_t size() const { return open_dialogs_.size(); }

 private:
  struct OpenDialog {
    std::string name;
    std::string name_space;
    std::unique_ptr<engine::Session> session;
    bool lent = false;
    bool last = false;  ///< it is closed when it comes back
  };
  using Iterator = std::list<OpenDialog>::iterator;

  std::optional<Place> named(const ChatRequest& request);
  std::optional<Place> unnamed(const ChatRequest& request);
  Iterator worth_least();
  Iterator begin(const std::string& name, const std::string& name_space);
  Place use(Iterator dialog, size_t known);

  Open open_;
  size_t most_;
  std::list<OpenDialog> open_dialogs_;  ///< last used first
};

}  // namespace memlong::server
