// Stage 1: a later span and the past that it needs, beside pasts of others.
#include <algorithm>
#include <deque>
#include <utility>

#include <nlohmann/json.hpp>

#include "train/cut.h"
#include "train/document_order.h"
#include "train/sources.h"

namespace memlong::train {
namespace {

/// So many dialogs are looked at for one that speaks of nothing that the batch has.
constexpr size_t kCandidates = 16;
constexpr int kTextTries = 32;

struct Item {
  DocumentPlace place;
  int64_t past_begin = 0;
  int64_t past_end = 0;
  int64_t begin = 0;  ///< of the later span
  int64_t end = 0;
};

struct Lengths {
  int64_t past = 0;
  int64_t gap = 0;
  int64_t span = 0;
};

/// Messages before which a dialog can be cut: the user's, answered, and not the first.
std::vector<int64_t> cuts_of(const Document& document) {
  std::vector<int64_t> cuts;
  for (const engine::AnswerSpan& span : document.spans) {
    const bool first = span.query_begin <= document.turns.front();
    if (!first && (cuts.empty() || cuts.back() != span.query_begin)) {
      cuts.push_back(span.query_begin);
    }
  }
  return cuts;
}

bool usable(const Document& document) {
  if (!document.is_dialog()) return document.size() >= 4;
  return document.later > 0 || !cuts_of(document).empty();
}

size_t shared_topics(const Document& a, const Document& b) {
  size_t shared = 0;
  for (const std::string& topic : a.topics) {
    shared += std::binary_search(b.topics.begin(), b.topics.end(), topic) ? 1 : 0;
  }
  return shared;
}

Item cut_dialog(const DocumentPlace& place, const Document& document, const Lengths& lengths,
                Random& random) {
  int64_t later = document.later;
  if (later <= 0) {
    const std::vector<int64_t> cuts = cuts_of(document);
    later = cuts[random.below(uint64_t{cuts.size()})];
  }
  return {.place = place,
          .past_begin = std::max<int64_t>(0, later - lengths.past),
          .past_end = later,
          .begin = later,
          .end = std::min(document.size(), later + lengths.span)};
}

Item cut_text(const DocumentPlace& place, const Document& document, Lengths lengths,
              Random& random) {
  const int64_t gap = random.below(lengths.gap + 1);
  lengths.past = std::min(lengths.past, document.size() / 2);
  lengths.span = std::min(lengths.span, document.size() - lengths.past);
  lengths.gap = std::min(gap, document.size() - lengths.past - lengths.span);
  const int64_t total = lengths.past + lengths.gap + lengths.span;
  const int64_t begin = random.below(document.size() - total + 1);
  return {.place = place,
          .past_begin = begin,
          .past_end = begin + lengths.past,
          .begin = begin + lengths.past + lengths.gap,
          .end = begin + total};
}

class PairsSource final : public BatchSource {
 public:
  PairsSource(std::shared_ptr<const Corpus> corpus, const DataOptions& options,
              const engine::LoadedModel& model)
      : options_(options),
        lead_bos_(lead_bos(model)),
        window_(model.settings.window),
        order_(std::move(corpus), options.seed, usable,
               "document that can be cut into a past and a later part"),
        random_(options.seed),
        waiting_(order_.corpus().entries.size()) {}

  Batch next(int64_t step) override {
    const Lengths lengths = {.past = options_.past.count_at(step),
                             .gap = options_.gap.count_at(step),
                             .span = options_.span.count_at(step)};
    std::vector<Item> items;
    while (static_cast<int64_t>(items.size()) < options_.rows) {
      const size_t entry = order_.entry(random_);
      const bool dialogs = order_.corpus().entries[entry].data.kind == DataKind::dialogs;
      const DocumentPlace place = dialogs ? pick_dialog(entry, items) : pick_text(entry, items);
      const Document& document = order_.at(place);
      items.push_back(dialogs ? cut_dialog(place, document, lengths, random_)
                              : cut_text(place, document, lengths, random_));
    }
    Batch batch;
    for (const Item& item : items) batch.pasts.push_back(past_of(item));
    for (size_t i = 0; i < items.size(); ++i) add_sequence(items, i, step, batch);
    return batch;
  }

  [[nodiscard]] std::string state() const override {
    return wrap_state(
        "pairs", order_.corpus(), options_,
        {{"random", random_.state()}, {"order", order_.state()}, {"waiting", waiting_}});
  }

  void restore(const std::string& text, Network& /*network*/) override {
    const nlohmann::json state = unwrap_state(text, "pairs", order_.corpus(), options_);
    try {
      random_ = Random(state.at("random").get<uint64_t>());
      order_.restore(state.at("order"));
      auto waiting = state.at("waiting").get<std::vector<std::deque<size_t>>>();
      for (size_t entry = 0; entry < waiting_.size(); ++entry) {
        waiting_[entry] = std::move(waiting.at(entry));
        for (const size_t document : waiting_[entry]) {
          if (document >= order_.corpus().entries[entry].documents.size()) refuse_state();
        }
      }
    } catch (const nlohmann::json::exception&) {
      refuse_state();
    } catch (const std::out_of_range&) {
      refuse_state();
    }
  }

 private:
  /// The text in which no other item of the batch stands, if it can be helped.
  DocumentPlace pick_text(size_t entry, const std::vector<Item>& items) {
    DocumentPlace place = order_.by_tokens(entry, random_);
    const auto taken = [&] {
      return std::ranges::any_of(items, [&](const Item& item) { return item.place == place; });
    };
    for (int tries = 1; tries < kTextTries && taken(); ++tries) {
      place = order_.by_tokens(entry, random_);
    }
    return place;
  }

  /// The first dialog that shares no topic with the batch, else the one that shares the fewest.
  /// Those that were passed over are asked first the next time.
  DocumentPlace pick_dialog(size_t entry, const std::vector<Item>& items) {
    std::deque<size_t>& waiting = waiting_[entry];
    size_t best = 0;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < kCandidates && least > 0; ++i) {
      if (i == waiting.size()) waiting.push_back(order_.in_turn(entry).document);
      const size_t clashes = clashes_of({.entry = entry, .document = waiting[i]}, items);
      if (clashes >= least) continue;
      least = clashes;
      best = i;
    }
    const DocumentPlace place = {.entry = entry, .document = waiting[best]};
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(best));
    return place;
  }

  size_t clashes_of(const DocumentPlace& place, const std::vector<Item>& items) const {
    constexpr size_t kSameDocument = 1000;
    size_t clashes = 0;
    for (const Item& item : items) {
      clashes += item.place == place ? kSameDocument
                                     : shared_topics(order_.at(place), order_.at(item.place));
    }
    return clashes;
  }

  [[nodiscard]] Past past_of(const Item& item) const {
    const Document& document = order_.at(item.place);
    Past past;
    if (lead_bos_ >= 0) past.ids.push_back(lead_bos_);
    past.ids.insert(past.ids.end(), document.ids.begin() + item.past_begin,
                    document.ids.begin() + item.past_end);
    return past;
  }

  void add_sequence(const std::vector<Item>& items, size_t index, int64_t step, Batch& batch) {
    const Item& item = items[index];
    const bool reads = random_.uniform() >= options_.no_memory.at(step);
    Sequence sequence = cut_sequence(order_.at(item.place),
                                     {.begin = item.begin,
                                      .end = item.end,
                                      .known = reads ? item.past_begin : 0,
                                      .answers = reads,
                                      .lead_bos = lead_bos_},
                                     options_.weights);
    const auto rows = static_cast<int64_t>(sequence.ids.size());
    if (options_.random_position) sequence.position = random_.below(window_ - rows + 1);
    if (reads) {
      SegmentPlan segment{.begin = 0, .end = rows, .parts = {}};
      for (const size_t past : pasts_for(items, index, options_.distractors.count_at(step))) {
        segment.parts.push_back({.past = static_cast<int64_t>(past),
                                 .begin = lead_bos_ >= 0 ? 1 : 0,
                                 .end = static_cast<int64_t>(batch.pasts[past].ids.size()),
                                 .k = {},
                                 .v = {}});
      }
      sequence.segments.push_back(std::move(segment));
    }
    batch.sequences.push_back(std::move(sequence));
  }

  /// The item's own past and `count` of others, by their place in the batch: none of the same
  /// document, nor of one that speaks of the same (it would contradict).
  std::vector<size_t> pasts_for(const std::vector<Item>& items, size_t index, int64_t count) {
    std::vector<size_t> others;
    const Document& own = order_.at(items[index].place);
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].place == items[index].place) continue;
      if (shared_topics(own, order_.at(items[i].place)) == 0) others.push_back(i);
    }
    std::vector<size_t> chosen = {index};
    for (; count > 0 && !others.empty(); --count) {
      const auto at = static_cast<std::ptrdiff_t>(random_.below(uint64_t{others.size()}));
      chosen.push_back(others[static_cast<size_t>(at)]);
      others.erase(others.begin() + at);
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

  DataOptions options_;
  int32_t lead_bos_;
  int64_t window_;
  DocumentOrder order_;
  Random random_;
  std::vector<std::deque<size_t>> waiting_;  ///< by entry: dialogs that were drawn, but did not fit
};

}  // namespace

std::unique_ptr<BatchSource> make_pairs_source(std::shared_ptr<const Corpus> corpus,
                                               const DataOptions& options,
                                               const engine::LoadedModel& model) {
  return std::make_unique<PairsSource>(std::move(corpus), options, model);
}

}  // namespace memlong::train
