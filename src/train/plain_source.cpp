// Spans of documents, no memory.
#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "train/cut.h"
#include "train/document_order.h"
#include "train/sources.h"

namespace memlong::train {
namespace {

/// A place from which `span` tokens can be read; in a dialog the start of a message.
int64_t start_of_span(const Document& document, int64_t span, Random& random) {
  const int64_t last = std::max<int64_t>(0, document.size() - span);
  if (!document.is_dialog()) return random.below(last + 1);
  // The first message starts with what opens the dialog.
  const auto& turns = document.turns;
  const auto full = std::upper_bound(turns.begin(), turns.end(), last) - turns.begin();
  const auto turn = random.below(std::max<int64_t>(1, full));
  return turn == 0 ? 0 : turns[static_cast<size_t>(turn)];
}

class PlainSource final : public BatchSource {
 public:
  PlainSource(std::shared_ptr<const Corpus> corpus, const DataOptions& options,
              const engine::LoadedModel& model)
      : options_(options),
        lead_bos_(lead_bos(model)),
        window_(model.settings.window),
        order_(
            std::move(corpus), options.seed,
            [](const Document& document) { return document.size() >= 2; }, "text of two tokens"),
        random_(options.seed) {}

  Batch next(int64_t step) override {
    const int64_t span = options_.span.count_at(step);
    Batch batch;
    for (int64_t row = 0; row < options_.rows; ++row) {
      const Document& document = order_.at(order_.by_tokens(order_.entry(random_), random_));
      const int64_t begin = start_of_span(document, span, random_);
      batch.sequences.push_back(cut_sequence(
          document,
          {.begin = begin, .end = std::min(document.size(), begin + span), .lead_bos = lead_bos_},
          options_.weights));
      Sequence& sequence = batch.sequences.back();
      const int64_t room = window_ - static_cast<int64_t>(sequence.ids.size());
      if (options_.random_position) sequence.position = random_.below(room + 1);
    }
    return batch;
  }

  [[nodiscard]] std::string state() const override {
    return wrap_state("plain", order_.corpus(), options_,
                      {{"random", random_.state()}, {"order", order_.state()}});
  }

  void restore(const std::string& text, Network& /*network*/) override {
    const nlohmann::json state = unwrap_state(text, "plain", order_.corpus(), options_);
    try {
      random_ = Random(state.at("random").get<uint64_t>());
      order_.restore(state.at("order"));
    } catch (const nlohmann::json::exception&) {
      refuse_state();
    }
  }

 private:
  DataOptions options_;
  int32_t lead_bos_;
  int64_t window_;
  DocumentOrder order_;
  Random random_;
};

}  // namespace

std::unique_ptr<BatchSource> make_plain_source(std::shared_ptr<const Corpus> corpus,
                                               const DataOptions& options,
                                               const engine::LoadedModel& model) {
  return std::make_unique<PlainSource>(std::move(corpus), options, model);
}

}  // namespace memlong::train
