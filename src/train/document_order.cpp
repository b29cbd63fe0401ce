#include "train/document_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace memlong::train {

DocumentOrder::DocumentOrder(std::shared_ptr<const Corpus> corpus, uint64_t seed,
                             const Usable& usable, const std::string& need)
    : corpus_(std::move(corpus)), seed_(seed) {
  if (corpus_->entries.empty()) fail(ErrorKind::usage, "there are no data to train on");
  for (const CorpusEntry& given : corpus_->entries) {
    Entry& entry = entries_.emplace_back();
    int64_t tokens = 0;
    for (size_t i = 0; i < given.documents.size(); ++i) {
      if (!usable(given.documents[i])) continue;
      entry.usable.push_back(i);
      tokens += given.documents[i].size();
      entry.ends.push_back(tokens);
    }
    if (entry.usable.empty()) {
      fail(ErrorKind::format, given.data.path.string() + ": holds no " + need);
    }
    shuffle(entries_.size() - 1);
  }
}

void DocumentOrder::shuffle(size_t index) {
  Entry& entry = entries_[index];
  entry.order.resize(entry.usable.size());
  std::iota(entry.order.begin(), entry.order.end(), 0U);
  Random random(Random::combine(Random::combine(seed_, index), entry.epoch));
  for (size_t i = entry.order.size(); i > 1; --i) {
    std::swap(entry.order[i - 1], entry.order[random.below(uint64_t{i})]);
  }
}

size_t DocumentOrder::entry(Random& random) const {
  double total = 0.0;
  for (const CorpusEntry& entry : corpus_->entries) total += entry.data.weight;
  double at = random.uniform() * total;
  for (size_t i = 0; i + 1 < entries_.size(); ++i) {
    at -= corpus_->entries[i].data.weight;
    if (at < 0.0) return i;
  }
  return entries_.size() - 1;
}

DocumentPlace DocumentOrder::by_tokens(size_t index, Random& random) const {
  const Entry& entry = entries_[index];
  const int64_t token = random.below(entry.ends.back());
  const auto found = std::upper_bound(entry.ends.begin(), entry.ends.end(), token);
  return {.entry = index,
          .document = entry.usable[static_cast<size_t>(found - entry.ends.begin())]};
}

DocumentPlace DocumentOrder::in_turn(size_t index) {
  Entry& entry = entries_[index];
  if (entry.next == entry.order.size()) {
    ++entry.epoch;
    entry.next = 0;
    shuffle(index);
  }
  return {.entry = index, .document = entry.usable[entry.order[entry.next++]]};
}

nlohmann::json DocumentOrder::state() const {
  nlohmann::json state = nlohmann::json::array();
  for (const Entry& entry : entries_) state.push_back({entry.epoch, entry.next});
  return state;
}

void DocumentOrder::restore(const nlohmann::json& state) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].epoch = state.at(i).at(0).get<uint64_t>();
    shuffle(i);
    entries_[i].next = std::min(state.at(i).at(1).get<size_t>(), entries_[i].order.size());
  }
}

}  // namespace memlong::train
