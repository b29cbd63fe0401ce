// A small bank of the reference model, made through the API and without running the network: real
// tokens and vectors, keys and values that are only numbers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "membank/bank.h"
#include "retriever/embedder.h"
#include "tokenizer/tokenizer.h"

namespace memlong::tools_test {

class BankMaker {
 public:
  static constexpr int32_t kChunk = 16;

  /// Makes the bank in `folder`, with the blobs that ingest stores.
  explicit BankMaker(const std::filesystem::path& folder);
  /// Returns the document's id.
  membank::DocumentId add_text(const std::string& name, const std::string& text,
                               const std::string& name_space = "default");
  membank::DocumentId add_dialog(const std::string& name, const std::vector<membank::Turn>& turns,
                                 const std::string& name_space = "chats");
  [[nodiscard]] membank::Bank& bank() { return *bank_; }
  [[nodiscard]] int64_t tokens_of(const std::string& text) const;

 private:
  void add_chunks(membank::Transaction& transaction, membank::DocumentId id,
                  const tokenizer::Ids& ids, bool keep_tail);

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  std::unique_ptr<membank::Bank> bank_;
};

}  // namespace memlong::tools_test
