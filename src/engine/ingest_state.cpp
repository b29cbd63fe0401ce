#include "engine/ingest_stages.h"

namespace memlong::engine {

void IngestState::report(const DocumentReport& document) {
  const std::scoped_lock lock(mutex_);
  switch (document.outcome) {
    case DocumentOutcome::resumed:
      ++totals_.documents_resumed;
      ++totals_.documents_new;
      break;
    case DocumentOutcome::fresh:
      ++totals_.documents_new;
      break;
    case DocumentOutcome::known:
      ++totals_.documents_known;
      break;
    case DocumentOutcome::failed:
      ++totals_.documents_failed;
      break;
  }
  if (on_document_) on_document_(document);
}

void IngestState::failed(const std::string& name, const std::string& problem, int64_t size) {
  report({DocumentOutcome::failed, name, options.name_space, size, problem});
}

void IngestState::met(membank::DocumentId id, const std::string& name_space,
                      const std::string& name) {
  if (!options.replace) return;
  const std::scoped_lock lock(mutex_);
  met_.insert(id);
  met_names_.emplace(name_space, name);
}

void IngestState::progress(const std::function<void(const IngestProgress&)>& tell) const {
  if (!tell) return;
  const std::scoped_lock lock(mutex_);
  tell({bytes, total_bytes, tokens,
        totals_.documents_new + totals_.documents_known + totals_.documents_failed});
}

IngestTotals IngestState::totals() const {
  const std::scoped_lock lock(mutex_);
  return totals_;
}

void IngestState::committed(int64_t chunks, int64_t tokens_stored, const membank::Removed& pruned) {
  const std::scoped_lock lock(mutex_);
  totals_.chunks += chunks;
  totals_.tokens += tokens_stored;
  totals_.pruned.documents += pruned.documents;
  totals_.pruned.chunks += pruned.chunks;
  totals_.pruned.tokens += pruned.tokens;
}

void IngestState::met_again(const Digest& hash, const std::string& name_space,
                            const std::string& name) {
  if (!options.replace) return;
  const std::scoped_lock lock(mutex_);
  same_texts_.push_back({hash, name_space, name});
}

std::set<std::pair<std::string, std::string>> IngestState::met_names() const {
  const std::scoped_lock lock(mutex_);
  return met_names_;
}

std::vector<IngestState::SameText> IngestState::same_texts() const {
  const std::scoped_lock lock(mutex_);
  return same_texts_;
}

bool IngestState::met_document(membank::DocumentId id) const {
  const std::scoped_lock lock(mutex_);
  return met_.contains(id);
}

}  // namespace memlong::engine
