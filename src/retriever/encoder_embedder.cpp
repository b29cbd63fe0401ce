#include <utility>

#include "retriever/embedder.h"
#include "retriever/sentence_encoder.h"
#include "tokenizer/readable_text.h"

namespace memlong::retriever {
namespace {

class EncoderEmbedder : public Embedder {
 public:
  EncoderEmbedder(std::shared_ptr<const SentenceEncoder> encoder,
                  std::shared_ptr<const tokenizer::Tokenizer> tokens)
      : encoder_(std::move(encoder)), tokens_(std::move(tokens)) {}

  [[nodiscard]] std::string name() const override { return encoder_name(*encoder_); }
  [[nodiscard]] int64_t dim() const override { return encoder_->dim(); }
  [[nodiscard]] bool needs_hidden() const override { return false; }

  void embed(std::span<const int32_t> ids, const TensorView& /*hidden*/,
             std::span<float> out) const override {
    encoder_->embed(tokenizer::readable_text(*tokens_, ids, " "), out);
  }

 private:
  std::shared_ptr<const SentenceEncoder> encoder_;
  std::shared_ptr<const tokenizer::Tokenizer> tokens_;
};

}  // namespace

std::string encoder_name(const SentenceEncoder& encoder) {
  return std::string(kEncoderPrefix) + encoder.identity();
}

std::shared_ptr<const Embedder> make_encoder_embedder(
    std::shared_ptr<const SentenceEncoder> encoder,
    std::shared_ptr<const tokenizer::Tokenizer> tokens) {
  return std::make_shared<EncoderEmbedder>(std::move(encoder), std::move(tokens));
}

}  // namespace memlong::retriever
