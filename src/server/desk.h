// What can be told without the network, while an answer is being made.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "engine/loaded_model.h"
#include "http/message.h"
#include "membank/bank.h"

namespace memlong::server {

/// Thread-safe.
class Desk {
 public:
  /// `bank` may be null.
  Desk(std::shared_ptr<const engine::LoadedModel> model, std::shared_ptr<membank::Bank> bank,
       std::string model_name);

  // Errors: format and usage for what is wrong with a request, those of the bank.

  [[nodiscard]] http::Response models() const;                           ///< GET /v1/models
  [[nodiscard]] http::Response model(std::string_view name) const;       ///< GET /v1/models/NAME
  [[nodiscard]] http::Response tokenize(std::string_view body) const;    ///< POST /tokenize
  [[nodiscard]] http::Response detokenize(std::string_view body) const;  ///< POST /detokenize
  [[nodiscard]] http::Response bank() const;                             ///< GET /v1/bank
  /// GET /v1/bank/documents?namespace=&kind=&name=&after=&limit=
  [[nodiscard]] http::Response documents(const http::Request& request) const;
  /// GET /v1/bank/documents/ID[?text=true]: with the turns of a dialog.
  [[nodiscard]] http::Response document(const http::Request& request, membank::DocumentId id) const;

 private:
  [[nodiscard]] nlohmann::ordered_json model_json() const;
  [[nodiscard]] std::unique_ptr<membank::Snapshot> snapshot() const;

  std::shared_ptr<const engine::LoadedModel> model_;
  std::shared_ptr<membank::Bank> bank_;
  std::string model_name_;
  int64_t started_;
};

}  // namespace memlong::server
