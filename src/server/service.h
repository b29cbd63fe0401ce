// What needs the network beside the dialogs: answers, vectors, searches, forgetting.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/session.h"
#include "http/exchange.h"
#include "retriever/embedder.h"
#include "server/chat.h"
#include "server/chat_request.h"
#include "server/dialogs.h"
#include "server/metrics.h"
#include "server/worker.h"
#include "tensor/context.h"

namespace memlong::server {

struct ServiceParts {
  std::unique_ptr<Context> context;
  std::unique_ptr<Context> reading;  ///< for texts beside answers; null: none are taken in
  std::shared_ptr<const engine::LoadedModel> model;
  std::shared_ptr<engine::Memory> memory;  ///< null: no bank
  std::optional<engine::ReadScope> scope;  ///< what dialogs read; nothing: their namespace's texts
  engine::SessionOptions session;          ///< of each dialog; name, scope and stop are left open
  engine::GenerateOptions generate;        ///< where a request says nothing
  std::string system;                      ///< prompt of dialogs that begin without one
  std::string model_name;                  ///< as clients know it
  size_t open_dialogs = 4;
  size_t parallel = 4;  ///< answers that are made side by side; at most open_dialogs
  size_t queue = 64;    ///< requests that may wait for a dialog which is being answered
  int64_t unnamed_tokens = int64_t{1} << 18;  ///< most of a dialog that is not kept
  /// Becomes true where the bank has got other texts; made false by who has followed.
  std::shared_ptr<std::atomic<bool>> texts_changed = std::make_shared<std::atomic<bool>>(false);
};

/// One thread alone uses it.
class Service {
 public:
  Service(ServiceParts parts, Metrics& metrics);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  // Errors: format and usage for what is wrong with a request, mismatch for a session that has
  // gone on in another way, busy for a dialog that is being answered, stopped, and those of the
  // parts.

  /// POST /v1/chat/completions: from now on one of those that step() answers. What goes wrong later
  /// is told by it.
  void chat(std::shared_ptr<http::Exchange> exchange, const Stop& stop);
  /// Whether another may begin.
  [[nodiscard]] bool has_room() const;
  /// A part of the answers under way: some of a prompt is read, or a token of each answer made, as
  /// much time for the ones as for the others. Whether there are any.
  bool step();

  /// POST /v1/embeddings: the vectors that the bank is searched with.
  [[nodiscard]] http::Response embeddings(std::string_view body, const Stop& stop);
  /// POST /v1/bank/search
  [[nodiscard]] http::Response search(std::string_view body, const Stop& stop);
  /// DELETE /v1/bank/documents/ID
  [[nodiscard]] http::Response forget(membank::DocumentId id);
  /// DELETE /v1/bank/documents?name=&namespace=&kind=: all of that name.
  [[nodiscard]] http::Response forget(const http::Request& request);

  [[nodiscard]] size_t open_dialogs() const { return dialogs_.size(); }
  [[nodiscard]] size_t answering() const;  ///< answers under way

 private:
  [[nodiscard]] std::unique_ptr<engine::Session> open_dialog(const std::string& name,
                                                             const std::string& name_space);
  [[nodiscard]] engine::ReadScope scope_of(const std::string& name_space) const;
  void complete(ChatRequest& request) const;
  using ChatPlace = std::list<Chat>::iterator;
  [[nodiscard]] int64_t forget(std::span<const membank::DocumentId> documents);
  bool take_turn(Chat& chat, bool may_lend);
  void begin(Chat& chat);
  /// What a step took, and the tokens of prompts that it read.
  struct Ran {
    double seconds = 0.0;
    int64_t read = 0;
  };
  Ran run(std::span<const ChatPlace> chats, int64_t most);
  double read_prompt(std::span<const ChatPlace> prompts, bool beside_answers);
  void give_back(const Chat& chat, bool goes_on);
  void fail_chat(Chat& chat, const std::exception& error);
  void find_embedder();
  void settle_embedder(std::string_view text, bool kept);
  [[nodiscard]] membank::Bank* bank() const;  ///< null: none
  [[nodiscard]] engine::Memory& bank_memory() const;
  [[nodiscard]] std::vector<float> vector_of(const std::string& text, const Stop& stop);
  void follow_bank();
  void follow_texts();
  void follow_writers();

  ServiceParts parts_;
  Metrics& metrics_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  bool passing_ = false;  ///< the embedder was made of a text that is not kept; the bank has none
  uint64_t generation_ = 0;  ///< of the bank that open dialogs follow, where others write it
  Dialogs dialogs_;
  std::list<Chat> chats_;     ///< under way; those that wait in the order in which they came
  bool may_lend_ = false;     ///< a dialog has come back since chats that wait were looked at
  double prompt_rate_ = 0.0;  ///< tokens a second that prompts were read with
  double prompt_debt_ = 0.0;  ///< seconds that prompts have had more than answers
};

}  // namespace memlong::server
