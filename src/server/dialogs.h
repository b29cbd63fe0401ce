// The dialogs that are open: which one does a request go on with?
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
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

  struct Place {
    engine::Session* session = nullptr;  ///< until the next call
    size_t known = 0;                    ///< messages that it holds already
  };

  /// The dialog of a request that has a name space: by its name; without one the open dialog that
  /// the messages go on with, else a new one. Errors: mismatch (the named dialog has gone on in
  /// another way), those of opening.
  Place place(const ChatRequest& request);

  /// What of a named one is not kept yet is; where that fails, the log says so.
  void close_all();
  /// Closes one that is to be forgotten, or that an internal error left behind.
  void drop(membank::DocumentId document);
  void drop(const engine::Session* session);
  /// For each, with its name space.
  void for_each(const std::function<void(engine::Session&, const std::string&)>& fn);
  [[nodiscard]] size_t size() const { return open_dialogs_.size(); }

 private:
  struct OpenDialog {
    std::string name;
    std::string name_space;
    std::unique_ptr<engine::Session> session;
  };

  Place named(const ChatRequest& request);
  Place unnamed(const ChatRequest& request);
  engine::Session& begin(const std::string& name, const std::string& name_space);
  void use(std::list<OpenDialog>::iterator dialog);

  Open open_;
  size_t most_;
  std::list<OpenDialog> open_dialogs_;  ///< last used first
};

}  // namespace memlong::server
