#include <algorithm>
#include <filesystem>

#include "common/file.h"
#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "support/temp_folder.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/readable_text.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/text_parts.h"

namespace memlong::fuzz {
namespace {

using tokenizer::Ids;
using tokenizer::Tokenizer;
using Shared = std::shared_ptr<const Tokenizer>;

/// The reference model's, and as Llama's with a space in front of every text.
const Shared& tokens_of(bool dummy_prefix) {
  static const Shared plain = tokenizer::reference();
  static const Shared prefixed = tokenizer::with_dummy_prefix();
  return dummy_prefix ? prefixed : plain;
}

/// decode() of the ids, which must be what a stream of them gives.
std::string decoded(const Shared& tokens, const Ids& ids) {
  tokenizer::StreamDecoder stream(tokens);
  std::string text;
  for (const int32_t id : ids) {
    const std::string more = stream.push(id);
    require(is_utf8(more), "half a character was shown");
    text += more;
  }
  text += stream.finish();
  require(is_utf8(text) && text == tokens->decode(ids), "a stream differs from the whole");
  return text;
}

void check_text(const Shared& tokens, std::string_view text, bool continues) {
  const Ids ids = tokens->encode(text, continues);
  require(ids.size() <= text.size() * 3 + 1, "more ids than bytes");  // U+FFFD has three
  for (const int32_t id : ids) {
    require(id >= 0 && id < tokens->vocab_size() && !tokens->is_special(id),
            "text became a special or unknown id");
  }
  const bool exact = is_utf8(text) && text.find("\xE2\x96\x81") == std::string_view::npos;
  const bool eats_space = continues && tokens->adds_dummy_prefix() && text.starts_with(' ');
  const std::string back = decoded(tokens, ids);
  require(!exact || back == text.substr(eats_space ? 1 : 0), "text is lost on the way and back");
}

/// Ids that no encoder gave: unfinished characters, special ids, ids beyond the vocabulary.
void check_ids(const Shared& tokens, Input input) {
  Ids ids;
  while (!input.rest().empty()) ids.push_back(input.number<int16_t>());
  decoded(tokens, ids);
  require(is_utf8(tokens->decode(ids, true)), "special ids are shown as no text");
  require(is_utf8(tokenizer::readable_text(*tokens, ids)), "readable text is no text");
}

/// A text of some parts' length, made by repeating.
std::string many(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() <= tokenizer::kPartBytes + text.size()) out += text;
  return out;
}

}  // namespace

void tokenizer_text(std::string_view input) {
  Input parts(input);
  const auto choice = parts.number<uint8_t>();
  const Shared& tokens = tokens_of((choice & 1) != 0);
  if ((choice & 2) != 0) return check_ids(tokens, parts);
  const bool is_long = choice >= 0xF8;
  check_text(tokens, is_long ? many(parts.rest()) : parts.rest(), (choice & 4) != 0);
}

}  // namespace memlong::fuzz
