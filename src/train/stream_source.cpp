// Stage 2: each row walks a document window by window, and its memory is its own earlier chunks.
#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "retriever/best_score.h"
#include "train/cut.h"
#include "train/document_order.h"
#include "train/sources.h"
#include "train/stream_row.h"

namespace memlong::train {
namespace {

using engine::EncodedChunk;

/// Distractors are chosen from so many chunks of other rows, drawn by chance.
constexpr int64_t kPool = 256;

/// Chunks that a row must keep to be searched whatever the step; 0: all.
int64_t kept_chunks(const Schedule& memory_chunks) {
  if (memory_chunks.smallest() < 0.5) return 0;
  return std::llround(memory_chunks.largest());
}

class StreamSource final : public BatchSource {
 public:
  StreamSource(Context& context, std::shared_ptr<const Corpus> corpus, const DataOptions& options,
               const std::shared_ptr<const engine::LoadedModel>& model,
               const std::shared_ptr<const retriever::Embedder>& embedder)
      : context_(context),
        options_(options),
        lead_bos_(lead_bos(*model)),
        top_k_(model->settings.top_k),
        order_(
            std::move(corpus), options.seed,
            [](const Document& document) { return document.size() >= 2; }, "text of two tokens"),
        random_(options.seed),
        credit_(order_.corpus().entries.size(), 0.0),
        rows_(static_cast<size_t>(options.rows),
              StreamRow(model, embedder, kept_chunks(options.memory_chunks))) {
    for (size_t row = 0; row < rows_.size(); ++row) draw(row, row);
  }

  Batch next(int64_t step) override {
    MEMLONG_CHECK(!under_way_, "a stream must be told of each pass before the next batch");
    under_way_ = true;
    for (size_t entry = 0; entry < credit_.size(); ++entry) credit_[entry] += due(entry);
    Batch batch;
    for (size_t row = 0; row < rows_.size(); ++row) {
      credit_[rows_[row].place().entry] -= 1.0;
      batch.sequences.push_back(window_of(row, step));
    }
    return batch;
  }

  void passed(const Batch& batch, const Network& network) override {
    MEMLONG_CHECK(under_way_ && batch.sequences.size() == rows_.size(), "a pass over our batch");
    under_way_ = false;
    for (size_t row = 0; row < rows_.size(); ++row) {
      rows_[row].complete(context_, network.written(row));
      if (!rows_[row].advance()) draw(row, rows_.size());
    }
  }

  [[nodiscard]] std::string state() const override {
    MEMLONG_CHECK(!under_way_, "a stream has a state between passes");
    nlohmann::json rows = nlohmann::json::array();
    for (const StreamRow& row : rows_) {
      rows.push_back({{"entry", row.place().entry},
                      {"document", row.place().document},
                      {"from", row.from()},
                      {"to", row.to()},
                      {"window", row.window_begin()}});
    }
    return wrap_state("streams", order_.corpus(), options_,
                      {{"random", random_.state()},
                       {"order", order_.state()},
                       {"credit", credit_},
                       {"rows", rows}});
  }

  void restore(const std::string& text, Network& network) override {
    const nlohmann::json state = unwrap_state(text, "streams", order_.corpus(), options_);
    try {
      random_ = Random(state.at("random").get<uint64_t>());
      order_.restore(state.at("order"));
      credit_ = state.at("credit").get<std::vector<double>>();
      if (credit_.size() != order_.corpus().entries.size()) refuse_state();
      for (size_t row = 0; row < rows_.size(); ++row) {
        restore_row(rows_[row], state.at("rows").at(row), network);
      }
    } catch (const nlohmann::json::exception&) {
      refuse_state();
    }
    under_way_ = false;
  }

 private:
  void restore_row(StreamRow& row, const nlohmann::json& state, Network& network) {
    const auto& entries = order_.corpus().entries;
    const DocumentPlace place = {.entry = state.at("entry").get<size_t>(),
                                 .document = state.at("document").get<size_t>()};
    if (place.entry >= entries.size()) refuse_state();
    if (place.document >= entries[place.entry].documents.size()) refuse_state();
    const Document& document = order_.at(place);
    const auto from = state.at("from").get<int64_t>();
    const auto to = state.at("to").get<int64_t>();
    const bool whole = from == 0 || !document.is_dialog();
    if (from < 0 || to - from < 2 || to > document.size() || !whole) refuse_state();
    row.begin(place, document, from, to);
    if (!row.walk_to(state.at("window").get<int64_t>(), context_, network)) refuse_state();
  }

  /// Rows that an entry should have.
  [[nodiscard]] double due(size_t entry) const {
    double total = 0.0;
    for (const CorpusEntry& each : order_.corpus().entries) total += each.data.weight;
    return order_.corpus().entries[entry].data.weight / total * static_cast<double>(rows_.size());
  }

  /// A new document for a row, of the entry that has had the fewest windows for its weight; only
  /// the first `rows` rows have one.
  void draw(size_t row, size_t rows) {
    std::vector<double> missing = credit_;
    for (size_t entry = 0; entry < missing.size(); ++entry) missing[entry] += due(entry);
    for (size_t other = 0; other < rows; ++other) {
      if (other != row) missing[rows_[other].place().entry] -= 1.0;
    }
    const auto entry =
        static_cast<size_t>(std::max_element(missing.begin(), missing.end()) - missing.begin());
    const bool dialogs = order_.corpus().entries[entry].data.kind == DataKind::dialogs;
    const bool cut = options_.stretch > 0 && !dialogs;
    const DocumentPlace place = cut ? order_.by_tokens(entry, random_) : order_.in_turn(entry);
    const Document& document = order_.at(place);
    const int64_t tokens = cut ? std::min(options_.stretch, document.size()) : document.size();
    const int64_t from = random_.below(document.size() - tokens + 1);
    rows_[row].begin(place, document, from, from + tokens);
  }

  Sequence window_of(size_t index, int64_t step) {
    const StreamRow& row = rows_[index];
    const bool reads = random_.uniform() >= options_.no_memory.at(step);
    Sequence sequence = cut_sequence(row.document(),
                                     {.begin = row.from() + row.window_begin(),
                                      .end = row.from() + row.window_end(),
                                      .limit = row.to(),
                                      .fresh = row.from() + row.fresh(),
                                      .answers = reads,
                                      .queried = reads,
                                      .lead_bos = lead_bos_},
                                     options_.weights);
    if (!reads) return sequence;
    for (const RetrievalPoint& point : row.points()) {
      if (point.queries.empty()) continue;
      SegmentPlan segment{.begin = point.begin, .end = point.end, .parts = {}};
      for (const EncodedChunk* chunk : chunks_for(index, point, step)) {
        segment.parts.push_back(
            {.past = -1, .begin = 0, .end = chunk->k.dim(1), .k = chunk->k, .v = chunk->v});
      }
      if (!segment.parts.empty()) sequence.segments.push_back(std::move(segment));
    }
    return sequence;
  }

  /// Distractors first: what belongs to another document counts as older.
  std::vector<const EncodedChunk*> chunks_for(size_t index, const RetrievalPoint& point,
                                              int64_t step) {
    std::vector<const EncodedChunk*> chunks =
        distractors_for(index, point.queries, options_.distractors.count_at(step));
    const auto own = rows_[index].retrieve(point, top_k_ - static_cast<int64_t>(chunks.size()),
                                           options_.memory_chunks.count_at(step));
    chunks.insert(chunks.end(), own.begin(), own.end());
    return chunks;
  }

  /// `count` chunks of rows that walk other documents: each place by a throw of a coin one that
  /// scores best for the queries, or any.
  std::vector<const EncodedChunk*> distractors_for(size_t index, std::span<const Query> queries,
                                                   int64_t count) {
    if (count <= 0) return {};
    std::vector<const EncodedChunk*> pool = pool_for(index);
    count = std::min(count, static_cast<int64_t>(pool.size()));
    int64_t best = 0;
    for (int64_t i = 0; i < count; ++i) best += static_cast<int64_t>(random_.below(uint64_t{2}));
    std::vector<std::pair<float, size_t>> scores;
    for (size_t i = 0; best > 0 && i < pool.size(); ++i) {
      scores.emplace_back(-retriever::best_score(queries, pool[i]->vector), i);
    }
    std::sort(scores.begin(), scores.end());
    std::vector<const EncodedChunk*> chosen;
    for (int64_t i = 0; i < best; ++i) {
      chosen.push_back(std::exchange(pool[scores[static_cast<size_t>(i)].second], nullptr));
    }
    // The pool stands in an order of chance: whatever comes first.
    for (size_t i = 0; static_cast<int64_t>(chosen.size()) < count; ++i) {
      if (pool[i] != nullptr) chosen.push_back(pool[i]);
    }
    return chosen;
  }

  /// Rows that walk other documents; of rows on the same walk the one that is furthest.
  [[nodiscard]] std::vector<const StreamRow*> others_of(size_t index) const {
    std::vector<const StreamRow*> others;
    for (const StreamRow& row : rows_) {
      if (row.place() == rows_[index].place()) continue;
      const auto same = std::ranges::find_if(others, [&row](const StreamRow* other) {
        return other->place() == row.place() && other->from() == row.from();
      });
      if (same == others.end()) {
        others.push_back(&row);
      } else if (row.window_begin() > (*same)->window_begin()) {
        *same = &row;
      }
    }
    return others;
  }

  /// At most kPool different chunks of rows with other documents, in an order of chance.
  std::vector<const EncodedChunk*> pool_for(size_t index) {
    const std::vector<const StreamRow*> others = others_of(index);
    int64_t total = 0;
    for (const StreamRow* row : others) total += static_cast<int64_t>(row->chunks().size());
    std::vector<const EncodedChunk*> pool;
    std::set<int64_t> taken;
    while (static_cast<int64_t>(pool.size()) < std::min(total, kPool)) {
      // Floyd's way: of the first `last` places one by chance, or the last of them.
      const int64_t last = total - std::min(total, kPool) + static_cast<int64_t>(pool.size());
      int64_t place = random_.below(last + 1);
      if (!taken.insert(place).second) taken.insert(place = last);
      for (const StreamRow* row : others) {
        const auto size = static_cast<int64_t>(row->chunks().size());
        if (place < size) {
          pool.push_back(&row->chunks()[static_cast<size_t>(place)]);
          break;
        }
        place -= size;
      }
    }
    for (size_t i = pool.size(); i > 1; --i) {
      std::swap(pool[i - 1], pool[random_.below(uint64_t{i})]);
    }
    return pool;
  }

  Context& context_;
  DataOptions options_;
  int32_t lead_bos_;
  int64_t top_k_;
  DocumentOrder order_;
  Random random_;
  std::vector<double> credit_;  ///< by entry: windows that it should have had more than it had
  std::vector<StreamRow> rows_;
  bool under_way_ = false;  ///< a batch was given and its pass is not over
};

}  // namespace

std::unique_ptr<BatchSource> make_stream_source(
    Context& context, std::shared_ptr<const Corpus> corpus, const DataOptions& options,
    const std::shared_ptr<const engine::LoadedModel>& model,
    const std::shared_ptr<const retriever::Embedder>& embedder) {
  return std::make_unique<StreamSource>(context, std::move(corpus), options, model, embedder);
}

}  // namespace memlong::train
