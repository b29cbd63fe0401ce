#include "common/error.h"
#include "tokenizer/kinds.h"

namespace memlong::tokenizer {

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& folder) {
  const auto has = [&](const char* name) {
    std::error_code ignored;
    return std::filesystem::exists(folder / name, ignored);
  };
  if (has("tokenizer.model")) {
    return load_sentencepiece_tokenizer(folder / "tokenizer.model", read_tokenizer_files(folder));
  }
  if (has("tokenizer.json")) {
    return load_json_tokenizer(folder / "tokenizer.json", read_tokenizer_files(folder));
  }
  fail(ErrorKind::io, folder.string() + " has no tokenizer.model and no tokenizer.json");
}

}  // namespace memlong::tokenizer
