// Texts that are to be memorized: read beside the answers, on a thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "engine/loaded_model.h"
#include "http/message.h"
#include "membank/bank.h"
#include "membank/retention.h"
#include "server/metrics.h"
#include "server/worker.h"
#include "tensor/context.h"

namespace memlong::server {

/// A text that is to be memorized.
struct NewText {
  std::string name;
  std::string name_space;  ///< "": the server's
  std::string text;
  bool replace = false;  ///< others of this name are forgotten
};

struct IntakeParts {
  std::unique_ptr<Context> context;
  std::shared_ptr<const engine::LoadedModel> model;
  std::shared_ptr<membank::Bank> bank;  ///< null: there is none
  std::string name_space;               ///< of texts that name none
  membank::RetentionBudget retention;
  std::shared_ptr<std::atomic<bool>> changed;  ///< made true: the bank has other texts
};

/// One thread alone uses it.
class Intake {
 public:
  Intake(IntakeParts parts, Metrics& metrics);

  /// Errors: usage (no bank, or open for reading only), format (no text), stopped, those of the
  /// bank and the network.
  [[nodiscard]] http::Response memorize(NewText text, const Stop& stop);

 private:
  IntakeParts parts_;
  Metrics& metrics_;
};

}  // namespace memlong::server
