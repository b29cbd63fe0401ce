// A chat request that is being answered, a step at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "engine/memory.h"
#include "engine/session.h"
#include "http/exchange.h"
#include "server/chat_reply.h"
#include "server/chat_request.h"
#include "server/dialogs.h"
#include "server/worker.h"

namespace memlong::server {

/// Not thread-safe.
class Chat {
 public:
  Chat(std::shared_ptr<http::Exchange> exchange, Stop stop, ChatRequest request,
       const std::string& model_name);

  [[nodiscard]] const ChatRequest& request() const { return request_; }
  /// It is to end. An answer that is complete and kept is told all the same.
  [[nodiscard]] bool stopped() const { return *stop_ && !complete(); }
  /// All messages were taken in, and the answer was begun.
  [[nodiscard]] bool answering() const { return answers_; }
  /// Null until begin().
  [[nodiscard]] engine::Session* session() const { return session_; }

  /// Its dialog is lent to another.
  void wait() { tried_ = true; }
  [[nodiscard]] bool tried() const { return tried_; }
  /// This dialog is to go on with the request. A stream opens.
  void begin(const Dialogs::Place& place);
  /// Gives the session what is next, where it is idle: messages, then the answer. False: it has
  /// answered. Errors: the session's; capacity, for a dialog that is not kept and has more than
  /// `most` tokens.
  bool feed(int64_t most);
  /// Tells the answer. `memory` may be null.
  void finish(const engine::Memory* memory);
  /// Ends it because of a stop, and says so. Whether the dialog can go on with what was read, or
  /// heard.
  bool leave();
  /// Says what was wrong.
  void fail(const std::exception& error);

 private:
  [[nodiscard]] bool complete() const { return answers_ && !session_->busy(); }

  std::shared_ptr<http::Exchange> exchange_;
  Stop stop_;
  ChatRequest request_;
  ChatReply reply_;
  engine::Session* session_ = nullptr;
  size_t next_ = 0;   ///< message
  int64_t held_ = 0;  ///< tokens that the dialog had before
  bool tried_ = false;
  bool told_ = false;  ///< the dialog holds the answer too: it is told again
  bool answers_ = false;
  bool heard_ = false;  ///< some of the answer was sent
};

}  // namespace memlong::server
