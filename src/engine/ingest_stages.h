// The stages of an ingest and what they hand on. Internal to the engine.
//
//   read_sources --ReadItem--> encode_documents --WriteItem--> write_documents
//
// Each stage runs in a thread of its own. A stage that ends, for whatever reason, closes its
// output; one that fails also cancels its input, so that no stage ever waits for another that has
// gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <variant>

#include "common/hash.h"
#include "engine/chunk.h"
#include "engine/ingest.h"
#include "engine/ingest_queue.h"
#include "tokenizer/tokenizer.h"

namespace memlong::engine {

struct DocumentBegin {
  std::string name;
  std::string name_space;
  Digest hash{};
  membank::DocumentId id = 0;  ///< 0: not in the bank yet
  int64_t tokens = 0;          ///< of its chunks in the bank
  int64_t text_bytes = 0;      ///< of its text in the bank
  int64_t bytes = 0;
};

struct DocumentPiece {
  std::string text;
  tokenizer::Ids ids;
};

struct DocumentEnd {};

/// The source broke off.
struct DocumentLost {
  std::string problem;
  bool forget = false;  ///< its content changed: what was stored belongs to no document
};

struct StoredText {
  std::string text;
};

/// Goes with the first commit.
struct BankBlob {
  std::string key;
  std::string value;
};

using ReadItem = std::variant<DocumentBegin, DocumentPiece, DocumentEnd, DocumentLost>;
using WriteItem =
    std::variant<DocumentBegin, StoredText, EncodedChunk, DocumentEnd, DocumentLost, BankBlob>;
using ReadQueue = BoundedQueue<ReadItem>;
using WriteQueue = BoundedQueue<WriteItem>;

/// Thrown inside a stage whose neighbour has gone or that was asked to stop; never leaves run().
struct StageEnd {};

/// What all stages share. Thread-safe.
class IngestState {
 public:
  IngestState(const IngestOptions& how, const std::function<void(const DocumentReport&)>& report)
      : options(how), on_document_(report) {}

  const IngestOptions& options;
  const std::atomic<bool>* stop = nullptr;
  std::atomic<int64_t> bytes{0};
  std::atomic<int64_t> total_bytes{0};
  std::atomic<int64_t> tokens{0};

  [[nodiscard]] bool stopping() const {
    return stop != nullptr && stop->load(std::memory_order_relaxed);
  }
  /// Counts a document and tells the caller.
  void report(const DocumentReport& document);
  /// Tells the caller how far it is; never while it is told of a document.
  void progress(const std::function<void(const IngestProgress&)>& tell) const;
  void failed(const std::string& name, const std::string& problem, int64_t size);
  /// Notes that the document (complete in the bank) was met in this run: --replace keeps it.
  void met(membank::DocumentId id, const std::string& name_space, const std::string& name);
  /// Notes that a name has the text of another document of this run.
  void met_again(const Digest& hash, const std::string& name_space, const std::string& name);

  [[nodiscard]] IngestTotals totals() const;
  void committed(int64_t chunks, int64_t tokens, const membank::Removed& pruned);
  struct SameText {
    Digest hash{};
    std::string name_space;
    std::string name;
  };
  /// Names (with their namespaces) that were met, and with which documents.
  [[nodiscard]] std::set<std::pair<std::string, std::string>> met_names() const;
  [[nodiscard]] std::vector<SameText> same_texts() const;
  [[nodiscard]] bool met_document(membank::DocumentId id) const;

 private:
  const std::function<void(const DocumentReport&)>& on_document_;
  mutable std::mutex mutex_;
  IngestTotals totals_;
  std::set<membank::DocumentId> met_;
  std::set<std::pair<std::string, std::string>> met_names_;
  std::vector<SameText> same_texts_;
};

/// Stage 1. `bank` and `tokens` may be null: then documents are only looked up and reported, and
/// nothing is sent.
void read_sources(IngestState& state, const std::vector<Source>& sources, const membank::Bank* bank,
                  const LoadedModel* model, ReadQueue* out);

/// Stage 2.
void encode_documents(IngestState& state, Context& context,
                      const std::shared_ptr<const LoadedModel>& model, const membank::Bank& bank,
                      ReadQueue& in, WriteQueue& out);

/// Stage 3.
void write_documents(IngestState& state, membank::Bank& bank, WriteQueue& in);

}  // namespace memlong::engine
