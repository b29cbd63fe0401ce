// The tokenizer of models with a sentencepiece file (tokenizer.model).
#include <charconv>
#include <set>

#include <sentencepiece_processor.h>

#include "common/error.h"
#include "common/file.h"
#include "tokenizer/kinds.h"
#include "tokenizer/spm_model.h"
#include "tokenizer/table_tokenizer.h"
#include "tokenizer/text_parts.h"

namespace memlong::tokenizer {
namespace {

namespace fs = std::filesystem;
using sentencepiece::SentencePieceProcessor;

constexpr size_t kMaxModelBytes = size_t{256} << 20;

bool looks_like_mark(const std::string& text) {
  if (text.size() < 3 || text.find(kSpaceMark) != std::string::npos) return false;
  return (text.front() == '<' && text.back() == '>') || (text.front() == '[' && text.back() == ']');
}

std::string bytes_of(const SpmPiece& piece, const std::string& origin) {
  if (piece.type == PieceType::unknown) return std::string(kUnknownText);
  if (piece.type == PieceType::byte) {  // "<0x0A>"
    uint8_t value = 0;
    const char* hex = piece.text.data() + 3;
    const bool good = piece.text.size() == 6 && piece.text.starts_with("<0x") &&
                      std::from_chars(hex, hex + 2, value, 16).ptr == hex + 2;
    if (!good) fail(ErrorKind::format, origin + ": " + piece.text + " is no byte piece");
    return std::string(1, static_cast<char>(value));
  }
  std::string bytes = piece.text;
  for (size_t at = 0; (at = bytes.find(kSpaceMark, at)) != std::string::npos; ++at) {
    bytes.replace(at, kSpaceMark.size(), " ");
  }
  return bytes;
}

/// Special are: control pieces, what the JSON files name as special, and user-defined pieces that
/// look like marks ("<|user|>"); other user-defined pieces (runs of spaces, digits) are text.
bool is_special_piece(const SpmPiece& piece, const TokenizerFiles& files) {
  if (piece.type == PieceType::control) return true;
  if (piece.type == PieceType::unknown || piece.type == PieceType::byte) return false;
  if (files.specials.contains(piece.text)) return true;
  return piece.type == PieceType::user_defined && looks_like_mark(piece.text);
}

void load_processor(SentencePieceProcessor& processor, const std::string& bytes,
                    const std::string& origin) {
  std::string reason;
  try {
    const auto status = processor.LoadFromSerializedProto(bytes);
    if (status.ok()) return;
    reason = status.message();
  } catch (const std::exception& error) {  // from the tries that it builds of the pieces
    reason = error.what();
  }
  fail(ErrorKind::format, origin + ": " + reason);
}

class SentencePieceTokenizer final : public TableTokenizer {
 public:
  SentencePieceTokenizer(const fs::path& file, const TokenizerFiles& files);

  [[nodiscard]] Ids encode(std::string_view text, bool continues) const override;

 private:
  void load_model(const std::string& bytes, const SpmModel& model);
  void add_tokens(const SpmModel& model, const TokenizerFiles& files);
  [[nodiscard]] Digest make_hash(const std::string& bytes) const;

  std::string origin_;
  std::set<std::string> by_look_;      ///< special, though added_tokens_decoder calls them ordinary
  SentencePieceProcessor opening_;     ///< the beginning of a text
  SentencePieceProcessor continuing_;  ///< the rest: no dummy prefix, spaces at its ends kept
  bool removes_spaces_ = false;
};

SentencePieceTokenizer::SentencePieceTokenizer(const fs::path& file, const TokenizerFiles& files)
    : origin_(file.string()) {
  const std::string bytes = read_file(file, kMaxModelBytes);
  const SpmModel model = parse_spm(bytes, origin_);
  if (model.whitespace_as_suffix) {
    fail(ErrorKind::config, origin_ + " marks spaces behind words, which is not supported");
  }
  if (model.whole_words) {
    fail(ErrorKind::config, origin_ + " knows whole words only, which is not supported");
  }
  dummy_prefix_ = model.add_dummy_prefix && files.add_prefix_space;
  removes_spaces_ = model.remove_extra_whitespaces;
  add_tokens(model, files);
  load_model(bytes, model);
  bos_ = tokens_.named(files.bos, opening_.bos_id(), "tokenizer_config.json names as bos_token",
                       origin_);
  eos_ = tokens_.named(files.eos, opening_.eos_id(), "tokenizer_config.json names as eos_token",
                       origin_);
  adds_bos_ = bos_ >= 0 && files.add_bos.value_or(true);
  hash_ = make_hash(bytes);
}

void SentencePieceTokenizer::add_tokens(const SpmModel& model, const TokenizerFiles& files) {
  size_t own = 0;
  for (const SpmPiece& piece : model.pieces) {
    tokens_.put(own++, {piece.text, bytes_of(piece, origin_), is_special_piece(piece, files)});
  }
  for (const auto& [id, added] : files.added) {
    const auto index = static_cast<size_t>(id);
    if (index < own) continue;  // the model file says what it is
    // Text never yields an added token, so that one which a file calls ordinary, and which looks
    // like a mark, is of use to a template alone.
    const bool mark = added.text.starts_with("<|") && added.text.ends_with("|>");
    const bool special = added.special || mark || files.specials.contains(added.text);
    if (special && !added.special) by_look_.insert(added.text);
    tokens_.put(index, {added.text, added.text, special});
  }
  special_ids_ = tokens_.specials();
}

/// Special pieces become control pieces for the library: it never finds those in a text.
void SentencePieceTokenizer::load_model(const std::string& bytes, const SpmModel& model) {
  SpmPatch patch;
  patch.make_control = [this](size_t piece) { return tokens_.at(piece).special; };
  patch.drop_dummy_prefix = !dummy_prefix_;
  load_processor(opening_, patch_spm(bytes, patch), origin_);
  patch.drop_dummy_prefix = true;
  patch.keep_extra_whitespaces = true;
  load_processor(continuing_, patch_spm(bytes, patch), origin_);
  MEMLONG_CHECK(static_cast<size_t>(opening_.GetPieceSize()) == model.pieces.size(),
                "sentencepiece counts pieces otherwise");
}

Digest SentencePieceTokenizer::make_hash(const std::string& bytes) const {
  Sha256 hash;
  hash.update("memlong sentencepiece 1\n");
  hash.update(to_hex(sha256(bytes)));
  for (const bool flag : {dummy_prefix_, adds_bos_}) hash.update(flag ? " yes" : " no");
  hash.update(" " + std::to_string(bos_) + "\n");
  for (const auto& [text, id] : special_ids_) {
    if (by_look_.contains(text)) continue;  // banks were made when these were ordinary
    hash.update(std::to_string(id) + " " + text + "\n");
  }
  return hash.finish();
}

// What the way through encode() and decode() does not keep: what the model file's normaliser
// changes (nothing for Llama's "identity"; NFKC and the like otherwise), U+2581, which becomes a
// space, bytes that are no UTF-8, which become U+FFFD, and, where the model file asks for it,
// spaces at the ends and repeated spaces. Without byte pieces also characters that the vocabulary
// lacks. Newlines, tabs and NUL bytes stay.
Ids SentencePieceTokenizer::encode(std::string_view text, bool continues) const {
  Ids ids;
  while (!text.empty()) {
    const std::string_view part = first_part(text);
    text.remove_prefix(part.size());
    std::vector<int> found;
    const auto status = continues && removes_spaces_
                            ? continuing_.Encode(merge_spaces(part), &found)
                            : (continues ? continuing_ : opening_).Encode(part, &found);
    MEMLONG_CHECK(status.ok(), status.ToString());
    ids.insert(ids.end(), found.begin(), found.end());
    continues = true;
  }
  return ids;
}

}  // namespace

std::shared_ptr<const Tokenizer> load_sentencepiece_tokenizer(const fs::path& file,
                                                              const TokenizerFiles& files) {
  return std::make_shared<SentencePieceTokenizer>(file, files);
}

}  // namespace memlong::tokenizer
