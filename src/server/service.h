// What needs the network or changes the bank: answers, searches, texts to memorize, forgetting.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/session.h"
#include "http/exchange.h"
#include "membank/retention.h"
#include "retriever/embedder.h"
#include "server/chat_request.h"
#include "server/dialogs.h"
#include "server/metrics.h"
#include "tensor/context.h"

namespace memlong::server {

struct ServiceParts {
  std::unique_ptr<Context> context;
  std::shared_ptr<const engine::LoadedModel> model;
  std::shared_ptr<engine::Memory> memory;  ///< null: no bank
  std::optional<engine::ReadScope> scope;  ///< what dialogs read; nothing: their namespace's texts
  engine::SessionOptions session;          ///< of each dialog; name, scope and stop are left open
  engine::GenerateOptions generate;        ///< where a request says nothing
  std::string system;                      ///< prompt of dialogs that begin without one
  std::string model_name;                  ///< as clients know it
  size_t open_dialogs = 4;
};

/// A text that is to be memorized.
struct NewText {
  std::string name;
  std::string name_space;  ///< "": the server's
  std::string text;
  bool replace = false;  ///< others of this name are forgotten
};

/// One thread alone uses it.
class Service {
 public:
  /// `stop`: becomes true when the request at hand is to leave off.
  Service(ServiceParts parts, const std::atomic<bool>& stop, Metrics& metrics);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  // Errors: format and usage for what is wrong with a request, mismatch for a session that has
  // gone on in another way, stopped, and those of the parts.

  /// POST /v1/chat/completions. What goes wrong after a stream began is its last event.
  void chat(http::Exchange& exchange);
  /// POST /v1/embeddings: the vectors that the bank is searched with.
  [[nodiscard]] http::Response embeddings(std::string_view body);
  /// POST /v1/bank/search
  [[nodiscard]] http::Response search(std::string_view body);
  [[nodiscard]] http::Response memorize(NewText text);
  [[nodiscard]] http::Response forget(membank::DocumentId id);

  [[nodiscard]] const ServiceParts& parts() const { return parts_; }
  [[nodiscard]] size_t open_dialogs() const { return dialogs_.size(); }

 private:
  [[nodiscard]] std::unique_ptr<engine::Session> open_dialog(const std::string& name,
                                                             const std::string& name_space);
  [[nodiscard]] engine::ReadScope scope_of(const std::string& name_space) const;
  void complete(ChatRequest& request) const;
  void find_embedder();
  void settle_embedder(std::string_view text, bool kept);
  [[nodiscard]] engine::Memory& bank_memory() const;
  [[nodiscard]] membank::Bank& bank_to_change() const;
  [[nodiscard]] std::vector<float> vector_of(const std::string& text);
  void follow_bank();
  void follow_writers();

  ServiceParts parts_;
  const std::atomic<bool>& stop_;
  Metrics& metrics_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  bool passing_ = false;  ///< the embedder was made of a text that is not kept; the bank has none
  uint64_t generation_ = 0;  ///< of the bank that open dialogs follow, where others write it
  Dialogs dialogs_;
};

}  // namespace memlong::server
