#include <algorithm>

#include "common/error.h"
#include "tokenizer/encoder_tokenizer.h"
#include "tokenizer/kinds.h"

namespace memlong::tokenizer {
namespace {

/// fairseq's first ids; the model file's are <unk>, <s>, </s>, and its pieces follow one later
/// here.
constexpr int32_t kOpening = 0;
constexpr int32_t kClosing = 2;
constexpr int32_t kUnknown = 3;
constexpr int32_t kShift = 1;

constexpr const char* kFile = "sentencepiece.bpe.model";

class XlmRobertaTokenizer final : public EncoderTokenizer {
 public:
  explicit XlmRobertaTokenizer(std::shared_ptr<const Tokenizer> pieces)
      : pieces_(std::move(pieces)) {}

  [[nodiscard]] Ids encode(std::string_view text) const override {
    Ids ids = pieces_->encode(text);
    std::ranges::for_each(ids, [](int32_t& id) { id = id == 0 ? kUnknown : id + kShift; });
    return ids;
  }
  [[nodiscard]] int32_t opening() const override { return kOpening; }
  [[nodiscard]] int32_t closing() const override { return kClosing; }
  [[nodiscard]] int32_t vocab_size() const override { return pieces_->vocab_size() + kShift; }
  [[nodiscard]] Digest hash() const override {
    return sha256("memlong xlm-roberta 1\n" + to_hex(pieces_->hash()));
  }

 private:
  std::shared_ptr<const Tokenizer> pieces_;
};

}  // namespace

bool has_xlm_roberta_tokenizer(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / kFile, ignored);
}

std::shared_ptr<const EncoderTokenizer> load_xlm_roberta_tokenizer(
    const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kFile;
  if (!has_xlm_roberta_tokenizer(folder)) {
    fail(ErrorKind::io, folder.string() +
                            " has no sentencepiece.bpe.model, which an encoder of "
                            "type xlm-roberta is read with");
  }
  auto pieces = load_sentencepiece_tokenizer(file, {});
  if (pieces->bos() != 1 || pieces->eos() != 2) {
    fail(ErrorKind::config,
         file.string() + ": its first pieces are not <unk>, <s>, </s>, as XLM-RoBERTa has them");
  }
  return std::make_shared<XlmRobertaTokenizer>(std::move(pieces));
}

}  // namespace memlong::tokenizer
