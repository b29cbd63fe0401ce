#include <algorithm>

#include "fuzz/target.h"
#include "fuzz/targets.h"
#include "support/temp_folder.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace memlong::fuzz {
namespace {

using tokenizer::Ids;
using tokenizer::Tokenizer;

constexpr size_t kTextBytes = 64;

void check_text(const std::shared_ptr<const Tokenizer>& tokens, std::string_view text,
                bool continues) {
  const Ids ids = tokens->encode(text, continues);
  for (const int32_t id : ids) {
    require(id >= 0 && id < tokens->vocab_size(), "an id beyond the vocabulary");
    require(!tokens->is_special(id), "text became a special token");
  }
  tokenizer::StreamDecoder stream(tokens);
  std::string streamed;
  for (const int32_t id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  require(streamed == tokens->decode(ids), "the stream says something else than the whole");
  require(is_utf8(streamed), "decoded text is no text");
}

void check_specials(const Tokenizer& tokens) {
  const auto in_range = [&](int32_t id) { return id >= -1 && id < tokens.vocab_size(); };
  require(in_range(tokens.bos()) && in_range(tokens.eos()), "bos or eos beyond the vocabulary");
  require(!tokens.adds_bos() || tokens.bos() >= 0, "a BOS that is not there");
  for (const int32_t id : {-1, 0, 1, tokens.vocab_size() - 1, tokens.vocab_size()}) {
    require(!tokens.is_special(id) || tokens.piece_bytes(id).empty(), "a special token shows");
  }
}

void check_file(const char* name, std::string_view input) {
  static const test::TempFolder root;
  const std::string folder = std::string(name) + ".d";
  root.write(folder + "/" + name, std::string(input));
  const auto tokens = value_of({ErrorKind::format, ErrorKind::config},
                               [&] { return tokenizer::load_tokenizer(root.path() / folder); });
  if (!tokens) return;
  check_specials(**tokens);
  const std::string_view tail = input.substr(input.size() - std::min(input.size(), kTextBytes));
  for (const std::string_view text :
       {tail, std::string_view(""),
        std::string_view("  hello <s> world\n\n<|user|> ABB\xEF\xAC\x81"),
        std::string_view("\xE2\x96\x81 caf\xC3\xA9 \xEF\xBC\xA1\xF0\x9F\x98\x80\xCC\x81 \xFF")}) {
    // An expression may be too much for a text: then that is what is said.
    accepted({ErrorKind::format}, [&] { check_text(*tokens, text, false); });
    accepted({ErrorKind::format}, [&] { check_text(*tokens, text, true); });
  }
}

}  // namespace

void tokenizer_model(std::string_view input) { check_file("tokenizer.model", input); }

void tokenizer_json(std::string_view input) { check_file("tokenizer.json", input); }

}  // namespace memlong::fuzz
