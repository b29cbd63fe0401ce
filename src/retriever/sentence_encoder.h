// A sentence encoder from a Hugging Face folder: text to a vector of length 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace memlong::retriever {

struct SentenceEncoderOptions {
  std::filesystem::path folder;
  DType dtype = DType::f32;  ///< of products: f32 or bf16
  int threads = 0;           ///< 0: as many as the process may use
};

/// BERT and XLM-RoBERTa with the files of sentence-transformers beside them (docs/models.md).
/// Computes on the CPU. Immutable, thread-safe.
class SentenceEncoder {
 public:
  virtual ~SentenceEncoder() = default;

  [[nodiscard]] virtual const std::filesystem::path& folder() const = 0;
  [[nodiscard]] virtual int64_t dim() const = 0;  ///< E
  /// Hex SHA-256 of weights, tokenizer, pooling and the longest text: of all that decides what a
  /// text becomes, but for `dtype` and rounding.
  [[nodiscard]] virtual const std::string& identity() const = 0;
  /// out [E], of length 1, or zero for a text without tokens. Of a text that is longer than the
  /// encoder reads its beginning counts. (Texts together would not be faster on the CPU: one fills
  /// its products.)
  virtual void embed(std::string_view text, std::span<float> out) const = 0;
};

/// Errors: io, format, config, in one line that names file and key or tensor.
std::shared_ptr<const SentenceEncoder> load_sentence_encoder(const SentenceEncoderOptions& options);

}  // namespace memlong::retriever
