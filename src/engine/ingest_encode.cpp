// Stage 2 of an ingest: tokens to chunks, through the writer.
#include <deque>
#include <optional>
#include <vector>

#include "common/error.h"
#include "engine/encoder.h"
#include "engine/ingest_stages.h"

namespace memlong::engine {
namespace {

/// So many tokens are looked at to estimate what `sif` needs, when nobody knows it yet.
constexpr size_t kEstimateTokens = size_t{1} << 18;
/// Between two looks at the stop flag.
constexpr size_t kSliceTokens = 256;

size_t weight_of(const EncodedChunk& chunk) {
  return chunk.k.bytes() + chunk.v.bytes() + chunk.ids.size() * sizeof(int32_t) +
         chunk.vector.size() * sizeof(float);
}

class EncodeStage {
 public:
  EncodeStage(IngestState& state, Context& context, std::shared_ptr<const LoadedModel> model,
              ReadQueue& in, WriteQueue& out)
      : state_(state), context_(context), model_(std::move(model)), in_(in), out_(out) {}

  void run(const membank::Bank& bank) {
    send_blob(bank, "model", std::filesystem::absolute(model_->folder).lexically_normal().string());
    if (model_->encoder != nullptr) send_blob(bank, "encoder", model_->encoder->folder().string());
    const auto embedder = find_embedder(bank);
    if (embedder == nullptr) return;  // there is no text at all
    Encoder encoder(
        context_, model_, embedder, bank.fingerprint().kv_dtype,
        [this](EncodedChunk&& chunk) {
          const size_t weight = weight_of(chunk);
          send(std::move(chunk), weight);
        },
        state_.options.windows);
    while (std::optional<ReadItem> item = next()) {
      std::visit([&](auto& part) { take(encoder, part); }, *item);
    }
    check_stop();
    encoder.flush();
  }

 private:
  void send_blob(const membank::Bank& bank, const std::string& key, const std::string& value) {
    if (bank.snapshot()->blob(key) != value) send(BankBlob{key, value}, value.size());
  }

  std::shared_ptr<const retriever::Embedder> find_embedder(const membank::Bank& bank) {
    std::string blob = bank.snapshot()->blob("sif");
    auto embedder = make_embedder(context_, *model_, blob);
    const bool known = embedder != nullptr;
    if (known && (embedder->name() != "sif" || !blob.empty())) return embedder;
    const tokenizer::Ids ids = known ? tokenizer::Ids{} : look_ahead();
    if (!known && ids.empty()) return nullptr;
    blob = make_sif_blob(*model_, ids);
    send_blob(bank, "sif", blob);
    return make_embedder(context_, *model_, blob);
  }

  /// The first tokens of the sources; what brings them is kept for the loop.
  tokenizer::Ids look_ahead() {
    tokenizer::Ids ids;
    while (ids.size() < kEstimateTokens) {
      std::optional<ReadItem> item = in_.pop();
      if (!item) break;
      if (const auto* piece = std::get_if<DocumentPiece>(&*item)) {
        ids.insert(ids.end(), piece->ids.begin(), piece->ids.end());
      }
      held_.push_back(std::move(*item));
    }
    return ids;
  }

  std::optional<ReadItem> next() {
    if (held_.empty()) return in_.pop();
    ReadItem item = std::move(held_.front());
    held_.pop_front();
    return item;
  }

  /// What goes on beside the chunks keeps its place among them.
  void send_in_order(Encoder& encoder, WriteItem item, size_t weight) {
    encoder.then(
        [this, item = std::move(item), weight]() mutable { send(std::move(item), weight); });
  }

  void take(Encoder& encoder, DocumentBegin& begin) {
    encoder.begin(begin.tokens);
    send_in_order(encoder, std::move(begin), 0);
  }

  void take(Encoder& encoder, DocumentPiece& piece) {
    const auto bytes = static_cast<int64_t>(piece.text.size());
    send_in_order(encoder, StoredText{std::move(piece.text)}, static_cast<size_t>(bytes));
    std::span<const int32_t> rest = piece.ids;
    const auto total = static_cast<int64_t>(rest.size());
    int64_t counted = 0;
    while (!rest.empty()) {
      const auto slice = rest.first(std::min(rest.size(), kSliceTokens));
      check_stop();
      encoder.push(slice);
      rest = rest.subspan(slice.size());
      state_.tokens += static_cast<int64_t>(slice.size());
      const int64_t share = bytes * (total - static_cast<int64_t>(rest.size())) / total;
      state_.bytes += share - counted;
      counted = share;
    }
    state_.bytes += bytes - counted;
  }

  void take(Encoder& encoder, DocumentEnd& end) {
    encoder.finish();
    send_in_order(encoder, end, 0);
  }

  void take(Encoder& encoder, DocumentLost& lost) { send_in_order(encoder, std::move(lost), 0); }

  void send(WriteItem item, size_t weight) {
    check_stop();
    if (!out_.push(std::move(item), weight)) throw StageEnd{};
  }

  void check_stop() const {
    if (state_.stopping()) throw StageEnd{};
  }

  IngestState& state_;
  Context& context_;
  std::shared_ptr<const LoadedModel> model_;
  ReadQueue& in_;
  WriteQueue& out_;
  std::deque<ReadItem> held_;
};

}  // namespace

void encode_documents(IngestState& state, Context& context,
                      const std::shared_ptr<const LoadedModel>& model, const membank::Bank& bank,
                      ReadQueue& in, WriteQueue& out) {
  EncodeStage(state, context, model, in, out).run(bank);
}

}  // namespace memlong::engine
