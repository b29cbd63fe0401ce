#include "retriever/sentence_encoder.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/hash.h"
#include "model/sentence_files.h"
#include "retriever/encoder_network.h"
#include "retriever/encoder_weights.h"
#include "retriever/unit_vector.h"
#include "tokenizer/encoder_tokenizer.h"

namespace memlong::retriever {
namespace {

using tokenizer::EncoderTokenizer;

class TextEncoder final : public SentenceEncoder {
 public:
  explicit TextEncoder(const SentenceEncoderOptions& options);

  [[nodiscard]] const std::filesystem::path& folder() const override { return options_.folder; }
  [[nodiscard]] int64_t dim() const override { return weights_.config.hidden; }
  [[nodiscard]] const std::string& identity() const override { return identity_; }
  void embed(std::string_view text, std::span<float> out) const override;

 private:
  [[nodiscard]] std::string make_identity() const;
  [[nodiscard]] tokenizer::Ids ids_of(std::string_view text) const;
  void pool(const TensorView& rows, std::span<float> out) const;
  [[nodiscard]] std::unique_ptr<Context> take_context() const;
  void give_back(std::unique_ptr<Context> context) const;

  SentenceEncoderOptions options_;
  model::SentenceFiles files_;
  std::shared_ptr<const EncoderTokenizer> tokens_;
  EncoderWeights weights_;
  int64_t max_tokens_ = 0;
  std::string identity_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Context>> idle_;  ///< one for each caller at a time
};

/// There are BERT networks that read XLM-RoBERTa's tokens (paraphrase-multilingual-MiniLM).
std::shared_ptr<const EncoderTokenizer> load_tokenizer(const std::filesystem::path& folder,
                                                       const model::EncoderConfig& config) {
  const bool words =
      config.kind == model::EncoderKind::bert && !tokenizer::has_xlm_roberta_tokenizer(folder);
  auto tokens = words ? tokenizer::load_bert_tokenizer(folder)
                      : tokenizer::load_xlm_roberta_tokenizer(folder);
  if (tokens->vocab_size() <= config.vocab) return tokens;
  fail(ErrorKind::mismatch, folder.string() + ": the tokenizer has " +
                                std::to_string(tokens->vocab_size()) +
                                " tokens, the encoder only " + std::to_string(config.vocab) +
                                "; they do not belong together");
}

TextEncoder::TextEncoder(const SentenceEncoderOptions& options)
    : options_(options), files_(model::read_sentence_files(options.folder)) {
  const model::EncoderConfig config = model::load_encoder_config(files_.transformer);
  tokens_ = load_tokenizer(files_.transformer, config);
  max_tokens_ = config.max_tokens();
  if (files_.max_tokens > 0) max_tokens_ = std::min(max_tokens_, files_.max_tokens);
  std::unique_ptr<Context> context = take_context();
  weights_ = load_encoder_weights(*context, files_.transformer, config, options.dtype);
  give_back(std::move(context));
  identity_ = make_identity();
}

std::string TextEncoder::make_identity() const {
  Sha256 hash;
  hash.update("memlong sentence encoder 1\n");
  hash.update(to_hex(encoder_weights_hash(weights_)) + "\n" + to_hex(tokens_->hash()) + "\n");
  hash.update(files_.pooling == model::Pooling::cls ? "cls " : "mean ");
  hash.update(std::to_string(max_tokens_));
  return to_hex(hash.finish());
}

/// None for a text that says nothing.
tokenizer::Ids TextEncoder::ids_of(std::string_view text) const {
  tokenizer::Ids ids = tokens_->encode(text);
  if (ids.empty()) return ids;
  ids.resize(std::min(ids.size(), static_cast<size_t>(max_tokens_ - 2)));
  ids.insert(ids.begin(), tokens_->opening());
  ids.push_back(tokens_->closing());
  return ids;
}

void TextEncoder::embed(std::string_view text, std::span<float> out) const {
  MEMLONG_CHECK(static_cast<int64_t>(out.size()) == dim(), "the vector has another dimension");
  const tokenizer::Ids ids = ids_of(text);
  if (ids.empty()) {
    std::ranges::fill(out, 0.0F);
    return;
  }
  std::unique_ptr<Context> context = take_context();
  const auto rows = static_cast<int64_t>(ids.size());
  const TensorView x = context->scratch("encoder.x", {rows, dim()}, DType::f32);
  encoder_forward(*context, weights_, ids, x);
  pool(x, out);
  give_back(std::move(context));
}

/// Special tokens count, as in sentence-transformers.
void TextEncoder::pool(const TensorView& rows, std::span<float> out) const {
  const int64_t count = files_.pooling == model::Pooling::cls ? 1 : rows.dim(0);
  std::vector<double> sum(out.size(), 0.0);
  for (int64_t t = 0; t < count; ++t) {
    const float* row = rows.data<float>() + t * rows.stride(0);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(row[i]);
  }
  write_unit(sum, 0.0, out);
}

/// What an error interrupts keeps none: the next caller makes a new one.
std::unique_ptr<Context> TextEncoder::take_context() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Context> context = std::move(idle_.back());
      idle_.pop_back();
      return context;
    }
  }
  return std::make_unique<Context>(ContextOptions{.threads = options_.threads});
}

void TextEncoder::give_back(std::unique_ptr<Context> context) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(context));
}

}  // namespace

std::shared_ptr<const SentenceEncoder> load_sentence_encoder(
    const SentenceEncoderOptions& options) {
  return std::make_shared<TextEncoder>(options);
}

}  // namespace memlong::retriever
