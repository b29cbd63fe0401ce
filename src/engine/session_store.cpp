#include "engine/session_store.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "common/log.h"

namespace memlong::engine {

SessionStore::SessionStore(std::shared_ptr<Memory> memory, std::shared_ptr<const LoadedModel> model,
                           const SessionOptions& options)
    : memory_(std::move(memory)), model_(std::move(model)), options_(options) {
  if (keeps() && !memory_->bank().writable()) {
    fail(ErrorKind::usage,
         "the bank is open for reading only: session '" + options_.name + "' cannot be kept in it");
  }
}

bool SessionStore::keeps() const {
  return memory_ != nullptr && !options_.name.empty() && options_.save;
}

std::optional<SavedDialog> SessionStore::load() {
  if (memory_ == nullptr || options_.name.empty()) return std::nullopt;
  const auto snapshot = memory_->bank().snapshot();
  const std::optional<membank::Document> document =
      snapshot->find_name(options_.name_space, options_.name, membank::DocumentKind::dialog);
  if (!document) return std::nullopt;
  const std::string& name = model_->chat->name();
  if (!document->settings.empty() && document->settings != name) {
    fail(ErrorKind::mismatch, "session '" + options_.name + "' was held with chat template '" +
                                  document->settings + "', not '" + name +
                                  "'; pass --chat-template " + document->settings);
  }
  document_ = document->id;
  turns_ = snapshot->turns(document_);
  saved_turns_ = turns_.size();
  resumed_ = true;
  return read_tokens(*snapshot, *document);
}

SavedDialog SessionStore::read_tokens(const membank::Snapshot& snapshot,
                                      const membank::Document& document) const {
  SavedDialog saved;
  saved.completed = document.tokens - static_cast<int64_t>(document.tail.size());
  if (saved.completed < 0) {
    fail(ErrorKind::corrupt, "session '" + options_.name + "': document " +
                                 std::to_string(document.id) + " has a longer tail than tokens");
  }
  // Places of pruned chunks stay filled with id 0: nothing reads them but a window over them.
  saved.tokens.assign(static_cast<size_t>(saved.completed), 0);
  const int64_t tau = model_->settings.chunk;
  const auto size = saved.completed + static_cast<int64_t>(document.tail.size());
  const int64_t window = std::min(model_->window_of(size), saved.completed) / tau * tau;
  int64_t missing = (saved.completed - window) / tau;  // chunks of the window to be read again
  for (const membank::ChunkInfo& info : snapshot.document_chunks(document.id)) {
    const std::vector<int32_t> ids = snapshot.chunk_tokens(info.id);
    const auto count = static_cast<int64_t>(ids.size());
    if (info.begin < 0 || count > saved.completed || info.begin > saved.completed - count) {
      fail(ErrorKind::corrupt, "session '" + options_.name + "': chunk " + std::to_string(info.id) +
                                   " does not lie within its document " +
                                   std::to_string(document.id) + "; memlong-bank verify lists all");
    }
    std::copy(ids.begin(), ids.end(), saved.tokens.begin() + info.begin);
    if (info.begin >= window) --missing;
  }
  if (missing > 0) {
    log::warn("session '" + options_.name +
              "': chunks of its current window were pruned; the model has lost part of what was "
              "said last");
  }
  saved.tokens.insert(saved.tokens.end(), document.tail.begin(), document.tail.end());
  return saved;
}

void SessionStore::save(std::span<const EncodedChunk> chunks, std::span<const int32_t> tail) {
  membank::DocumentId id = document_;
  memory_->bank().update([&](membank::Transaction& transaction) {
    id = document_;
    if (id == 0) {
      id = transaction.create_document({.name = options_.name,
                                        .name_space = options_.name_space,
                                        .kind = membank::DocumentKind::dialog,
                                        .settings = model_->chat->name()});
    }
    for (const EncodedChunk& chunk : chunks) {
      transaction.append_chunk(id, chunk.ids, chunk.vector, chunk.k, chunk.v);
    }
    for (size_t i = saved_turns_; i < turns_.size(); ++i) transaction.append_turn(id, turns_[i]);
    transaction.set_tail(id, tail);
  });
  document_ = id;
  saved_turns_ = turns_.size();
}

void SessionStore::retain() { membank::apply_retention(memory_->bank(), options_.retention); }

}  // namespace memlong::engine
