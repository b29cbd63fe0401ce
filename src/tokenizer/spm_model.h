// What memlong needs to know and to change of a sentencepiece model file, read from its protobuf
// bytes, because the library itself shows and changes none of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace memlong::tokenizer {

enum class PieceType : uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

struct SpmPiece {
  std::string text;
  PieceType type = PieceType::normal;
};

struct SpmModel {
  std::vector<SpmPiece> pieces;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool whitespace_as_suffix = false;
  bool whole_words = false;  ///< every word is one piece, or unknown
};

/// Errors: format, naming `origin`.
SpmModel parse_spm(std::string_view bytes, const std::string& origin);

struct SpmPatch {
  std::function<bool(size_t)> make_control;  ///< pieces that text must never be split into
  bool drop_dummy_prefix = false;
  bool keep_extra_whitespaces = false;
};

/// The same model with changes. `bytes` must have passed parse_spm(). Left out are the model's
/// self-test samples, which would fail, and what its own decoder would need.
std::string patch_spm(std::string_view bytes, const SpmPatch& patch);

}  // namespace memlong::tokenizer
