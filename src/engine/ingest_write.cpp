// Stage 3 of an ingest: chunks and text to the bank, many in one commit.
#include <algorithm>
#include <optional>
#include <vector>

#include "common/error.h"
#include "engine/ingest_stages.h"

namespace memlong::engine {
namespace {

using Clock = std::chrono::steady_clock;

size_t stored_bytes(const WriteItem& item) {
  if (const auto* chunk = std::get_if<EncodedChunk>(&item)) {
    return chunk->k.bytes() + chunk->v.bytes() + chunk->vector.size() * sizeof(float);
  }
  const auto* text = std::get_if<StoredText>(&item);
  return text == nullptr ? 0 : text->text.size();
}

/// The document that is being written, as the last commit left it.
struct OpenDocument {
  DocumentBegin begin;
  int64_t text_seen = 0;    ///< bytes of text that came
  int64_t text_stored = 0;  ///< bytes of text in the bank
  bool gone = false;        ///< somebody forgot it: what still comes of it is dropped
};

/// What one commit did; thrown away when the commit has to run again.
struct BatchResult {
  OpenDocument open;
  std::vector<DocumentReport> reports;
  std::vector<OpenDocument> completed;
  int64_t chunks = 0;
  int64_t tokens = 0;
};

/// Plays a batch into a transaction.
class BatchPlayer {
 public:
  BatchPlayer(membank::Transaction& transaction, BatchResult& result)
      : transaction_(transaction), result_(result) {}

  void play(const DocumentBegin& begin) {
    result_.open = {.begin = begin, .text_seen = 0, .text_stored = begin.text_bytes};
  }

  void play(const StoredText& text) {
    OpenDocument& open = result_.open;
    const int64_t start = open.text_seen;
    open.text_seen += static_cast<int64_t>(text.text.size());
    if (open.text_seen <= open.text_stored) return;
    if (!writable()) return;
    const int64_t skip = std::max<int64_t>(open.text_stored - start, 0);
    transaction_.append_text(document(),
                             std::string_view(text.text).substr(static_cast<size_t>(skip)));
    open.text_stored = open.text_seen;
  }

  void play(const EncodedChunk& chunk) {
    if (!writable()) return;
    transaction_.append_chunk(document(), chunk.ids, chunk.vector, chunk.k, chunk.v);
    ++result_.chunks;
    result_.tokens += static_cast<int64_t>(chunk.ids.size());
  }

  void play(const DocumentEnd& /*end*/) {
    if (!writable()) return;
    transaction_.finish_document(document());
    result_.completed.push_back(result_.open);
  }

  void play(const DocumentLost& lost) {
    if (!writable()) return;
    if (const membank::DocumentId id = result_.open.begin.id; lost.forget && id != 0) {
      transaction_.forget(id);
    }
    report(lost.problem, ErrorKind::format);
  }

  void play(const BankBlob& blob) { transaction_.set_blob(blob.key, blob.value); }

 private:
  void report(const std::string& problem, ErrorKind kind) {
    const DocumentBegin& begin = result_.open.begin;
    result_.reports.push_back({.outcome = DocumentOutcome::failed,
                               .name = begin.name,
                               .name_space = begin.name_space,
                               .bytes = begin.bytes,
                               .problem = problem,
                               .kind = kind});
  }

  /// Not when another thread has forgotten the document since the last commit: it failed then, and
  /// the others go on.
  bool writable() {
    OpenDocument& open = result_.open;
    if (open.gone) return false;
    const membank::DocumentId id = open.begin.id;
    if (id == 0 || id == seen_) return true;
    seen_ = id;
    if (transaction_.document(id)) return true;
    open.gone = true;
    report("it was forgotten while it was memorized", ErrorKind::busy);
    return false;
  }

  /// Created with the first thing that belongs to it.
  membank::DocumentId document() {
    DocumentBegin& begin = result_.open.begin;
    if (begin.id == 0) {
      begin.id = seen_ = transaction_.create_document({.name = begin.name,
                                                       .name_space = begin.name_space,
                                                       .kind = membank::DocumentKind::text,
                                                       .content_hash = begin.hash,
                                                       .created = 0,
                                                       .settings = {}});
    }
    return begin.id;
  }

  membank::Transaction& transaction_;
  BatchResult& result_;
  membank::DocumentId seen_ = 0;  ///< is there, in this transaction
};

class WriteStage {
 public:
  WriteStage(IngestState& state, membank::Bank& bank, WriteQueue& in)
      : state_(state), bank_(bank), in_(in) {}

  void run() {
    while (true) {
      bool late = false;
      std::optional<WriteItem> item = substance_ ? in_.pop_until(due_, late) : in_.pop();
      if (item) take(std::move(*item));
      if (full() || Clock::now() >= due_) commit();
      if (!item && !late) break;
    }
    commit();
  }

 private:
  void take(WriteItem item) {
    if (!substance_) {
      due_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(state_.options.commit_seconds));
    }
    chunks_ += std::holds_alternative<EncodedChunk>(item) ? 1 : 0;
    bytes_ += static_cast<int64_t>(stored_bytes(item));
    ended_ = std::holds_alternative<DocumentEnd>(item);
    substance_ = substance_ || !std::holds_alternative<BankBlob>(item);
    batch_.push_back(std::move(item));
  }

  [[nodiscard]] bool full() const {
    return chunks_ >= state_.options.commit_chunks || bytes_ >= state_.options.commit_bytes ||
           (ended_ && chunks_ * 4 >= state_.options.commit_chunks);
  }

  void commit() {
    if (!substance_) return;  // a blob alone waits for the first document
    BatchResult result;
    bank_.update([&](membank::Transaction& transaction) {
      result = BatchResult{.open = open_, .reports = {}, .completed = {}};
      BatchPlayer player(transaction, result);
      for (const WriteItem& item : batch_) {
        std::visit([&](const auto& part) { player.play(part); }, item);
      }
    });
    batch_.clear();
    chunks_ = 0;
    bytes_ = 0;
    ended_ = false;
    substance_ = false;
    open_ = result.open;
    const auto& retention = state_.options.retention;
    state_.committed(result.chunks, result.tokens,
                     retention.policy == membank::RetentionPolicy::none
                         ? membank::Removed{}
                         : membank::apply_retention(bank_, retention));
    for (const OpenDocument& done : result.completed) report(done);
    for (const DocumentReport& failed : result.reports) state_.report(failed);
  }

  void report(const OpenDocument& done) {
    const DocumentBegin& begin = done.begin;
    state_.met(begin.id, begin.name_space, begin.name);
    const bool resumed = begin.tokens > 0 || begin.text_bytes > 0;
    state_.report({resumed ? DocumentOutcome::resumed : DocumentOutcome::fresh,
                   begin.name,
                   begin.name_space,
                   begin.bytes,
                   {}});
  }

  IngestState& state_;
  membank::Bank& bank_;
  WriteQueue& in_;
  std::vector<WriteItem> batch_;
  OpenDocument open_;
  Clock::time_point due_ = Clock::time_point::max();
  int64_t chunks_ = 0;
  int64_t bytes_ = 0;
  bool ended_ = false;      ///< the last item ended a document
  bool substance_ = false;  ///< there is more than blobs
};

}  // namespace

void write_documents(IngestState& state, membank::Bank& bank, WriteQueue& in) {
  WriteStage(state, bank, in).run();
}

}  // namespace memlong::engine
