// Which document comes next.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "train/corpus.h"
#include "train/random.h"

namespace memlong::train {

/// A document of a corpus.
struct DocumentPlace {
  size_t entry = 0;
  size_t document = 0;
  bool operator==(const DocumentPlace&) const = default;
};

/// Draws from those documents of a corpus that `usable` accepts. Not thread-safe.
class DocumentOrder {
 public:
  using Usable = std::function<bool(const Document&)>;
  /// Errors: format, when no document of an entry is usable (`need` says what was wanted).
  DocumentOrder(std::shared_ptr<const Corpus> corpus, uint64_t seed, const Usable& usable,
                const std::string& need);

  [[nodiscard]] const Corpus& corpus() const { return *corpus_; }
  [[nodiscard]] const Document& at(const DocumentPlace& place) const {
    return corpus_->entries[place.entry].documents[place.document];
  }

  /// An entry, in proportion to the weights.
  size_t entry(Random& random) const;
  /// A document of an entry in proportion to its tokens.
  DocumentPlace by_tokens(size_t entry, Random& random) const;
  /// The documents of an entry in an order of chance: each once before any comes again.
  DocumentPlace in_turn(size_t entry);

  [[nodiscard]] nlohmann::json state() const;
  void restore(const nlohmann::json& state);  ///< throws nlohmann's errors where it is no state

 private:
  struct Entry {
    std::vector<size_t> usable;
    std::vector<int64_t> ends;  ///< tokens of usable documents up to and with this one
    std::vector<size_t> order;  ///< of this epoch, indices into usable
    uint64_t epoch = 0;
    size_t next = 0;
  };
  void shuffle(size_t entry);

  std::shared_ptr<const Corpus> corpus_;
  uint64_t seed_;
  std::vector<Entry> entries_;
};

}  // namespace memlong::train
