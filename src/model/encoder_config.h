// What a Hugging Face folder's config.json says of a text encoder (BERT, XLM-RoBERTa).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace memlong::model {

enum class EncoderKind : uint8_t { bert, xlm_roberta };

struct EncoderConfig {
  EncoderKind kind = EncoderKind::bert;
  int64_t layers = 0;          ///< L
  int64_t hidden = 0;          ///< C
  int64_t ffn = 0;             ///< F
  int64_t heads = 0;           ///< H
  int64_t head_dim = 0;        ///< D = C / H
  int64_t vocab = 0;           ///< V
  int64_t positions = 0;       ///< rows of the table of positions
  int64_t first_position = 0;  ///< the row of a text's first token
  int64_t token_types = 1;     ///< rows of the table of token types; texts use the first
  float norm_eps = 1e-12F;

  /// Tokens of the longest text.
  [[nodiscard]] int64_t max_tokens() const { return positions - first_position; }
};

/// Reads `folder`/config.json. Errors: io (missing), format (not JSON), config (another model_type,
/// absurd or missing values, what is not read: other activations, positions or decoders).
EncoderConfig load_encoder_config(const std::filesystem::path& folder);

/// The same from the text of a config.json; `origin` names it in messages.
EncoderConfig parse_encoder_config(const std::string& json, const std::string& origin);

}  // namespace memlong::model
