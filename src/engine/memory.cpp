#include "engine/memory.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "retriever/best_score.h"
#include "retriever/merge.h"

namespace memlong::engine {
namespace {

std::filesystem::path snapshot_name(const std::filesystem::path& folder,
                                    retriever::IndexKind kind) {
  return folder / ("index." + std::string(retriever::index_kind_name(kind)) + ".snapshot");
}

/// Chunks by ids that mostly are those of neighbours, one after the other: an exact search asks for
/// all of them.
class ChunkWalk {
 public:
  explicit ChunkWalk(const std::vector<membank::ChunkInfo>& chunks) : chunks_(chunks) {}
  /// Null where there is none.
  const membank::ChunkInfo* find(membank::ChunkId id) {
    if (next_ == chunks_.size() || chunks_[next_].id != id) {
      const auto place =
          std::ranges::lower_bound(chunks_, id, std::ranges::less(), &membank::ChunkInfo::id);
      next_ = static_cast<size_t>(place - chunks_.begin());
      if (place == chunks_.end() || place->id != id) return nullptr;
    }
    return &chunks_[next_++];
  }

 private:
  const std::vector<membank::ChunkInfo>& chunks_;  // rising
  size_t next_ = 0;
};

}  // namespace

Memory::Memory(std::shared_ptr<membank::Bank> bank, const retriever::IndexOptions& options)
    : bank_(std::move(bank)), options_(options) {
  const auto snapshot = bank_->snapshot();
  if (options_.kind == retriever::IndexKind::flat) {
    rebuild(*snapshot);
    return;
  }
  if (!load(*snapshot)) {
    rebuild(*snapshot);
    save();
    return;
  }
  const int64_t known = index_->size();
  append_new(*snapshot);
  generation_ = snapshot->generation();
  if (index_->size() > known + known / 10) save();
}

/// The index as it was saved, and the headers of the chunks in it.
bool Memory::load(const membank::Snapshot& snapshot) {
  const membank::Fingerprint& fingerprint = bank_->fingerprint();
  retriever::LoadedIndex loaded =
      retriever::load_index(snapshot_path(), fingerprint.embedder_dim, bank_->identity(), options_);
  if (loaded.index == nullptr || loaded.generation < snapshot.removal_generation() ||
      loaded.generation > snapshot.generation()) {
    return false;
  }
  index_ = std::move(loaded.index);
  const uint64_t last = index_->last_id();
  snapshot.for_each_chunk(0, [&](const membank::ChunkInfo& info) {
    if (info.id <= last) append(info);
  });
  if (index_->size() == static_cast<int64_t>(chunks_.size())) return true;
  forget_chunks();  // an index of another history of this bank, for instance of a restored copy
  return false;
}

/// A snapshot saves time at the next start; without one everything still works.
void Memory::save() const {
  if (!bank_->writable()) return;
  try {
    index_->save(snapshot_path(), generation_, bank_->identity());
    // Another thread may have forgotten something, and dropped the snapshots, just before.
    if (bank_->snapshot()->removal_generation() > generation_) {
      std::filesystem::remove(snapshot_path());
    }
  } catch (const Error& error) {
    log::warn("the index is not kept for the next start: " + std::string(error.what()));
  }
}

std::filesystem::path Memory::snapshot_path() const {
  return snapshot_name(bank_->folder(), options_.kind);
}

void Memory::rebuild(const membank::Snapshot& snapshot) {
  index_ = retriever::make_index(bank_->fingerprint().embedder_dim, options_);
  forget_chunks();
  append_new(snapshot);
  generation_ = snapshot.generation();
}

void Memory::append_new(const membank::Snapshot& snapshot) {
  name_spaces_ = snapshot.name_spaces();
  const membank::ChunkId last = chunks_.empty() ? 0 : chunks_.back().id;
  snapshot.for_each_chunk(last, [&](const membank::ChunkInfo& info) { append(info); });
  std::vector<uint64_t> ids;
  std::vector<float> vectors;
  snapshot.for_each_vector(last, [&](membank::ChunkId id, std::span<const float> vector) {
    ids.push_back(id);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
    constexpr size_t kBatch = 4096;
    if (ids.size() == kBatch) {
      index_->add(ids, vectors);
      ids.clear();
      vectors.clear();
    }
  });
  if (!ids.empty()) index_->add(ids, vectors);
}

void Memory::append(const membank::ChunkInfo& info) {
  const auto place = static_cast<int64_t>(chunks_.size());
  const auto [last, is_first] = last_.try_emplace(info.document, -1);
  const int64_t before = std::exchange(last->second, place);
  chunks_.push_back(info);
  beside_.push_back({.before = before});
  if (before >= 0) beside_[static_cast<size_t>(before)].behind = place;
}

void Memory::forget_chunks() {
  chunks_.clear();
  beside_.clear();
  last_.clear();
}

void Memory::refresh() {
  const auto snapshot = bank_->snapshot();
  if (snapshot->generation() == generation_) return;
  if (snapshot->removal_generation() > generation_ || snapshot->generation() < generation_) {
    rebuild(*snapshot);
  } else {
    append_new(*snapshot);
    generation_ = snapshot->generation();
  }
}

const membank::ChunkInfo* Memory::info(membank::ChunkId id) const {
  const auto found =
      std::lower_bound(chunks_.begin(), chunks_.end(), id,
                       [](const membank::ChunkInfo& info, uint64_t key) { return info.id < key; });
  return found != chunks_.end() && found->id == id ? &*found : nullptr;
}

const membank::ChunkInfo* Memory::last_of(membank::DocumentId document) const {
  const auto last = last_.find(document);
  return last == last_.end() ? nullptr : &chunks_[static_cast<size_t>(last->second)];
}

const membank::ChunkInfo* Memory::beside(membank::ChunkId id, int step) const {
  const membank::ChunkInfo* from = info(id);
  if (from == nullptr) return nullptr;
  const Beside& places = beside_[static_cast<size_t>(from - chunks_.data())];
  const int64_t place = step < 0 ? places.before : places.behind;
  if (place < 0) return nullptr;
  const membank::ChunkInfo& other = chunks_[static_cast<size_t>(place)];
  const membank::ChunkInfo& first = step < 0 ? other : *from;
  const membank::ChunkInfo& second = step < 0 ? *from : other;
  return first.begin + first.tokens == second.begin ? &other : nullptr;
}

std::vector<FoundChunk> Memory::search(std::span<const std::vector<float>> queries, int64_t k,
                                       const ChunkFilter& filter) const {
  const std::vector<std::span<const float>> views(queries.begin(), queries.end());
  ChunkWalk walk(chunks_);
  const auto rankings = index_->search_all(views, k, [&](uint64_t id) {
    const membank::ChunkInfo* chunk = walk.find(id);
    return chunk != nullptr && filter(*chunk);
  });
  std::vector<FoundChunk> found;
  for (const retriever::Hit& hit : retriever::merge_best(rankings, k)) {
    found.push_back({*info(hit.id), hit.score});
  }
  return found;
}

std::vector<FoundChunk> Memory::chunks_of(std::span<const std::vector<float>> queries,
                                          membank::DocumentId document) const {
  std::vector<FoundChunk> found;
  const auto last = last_.find(document);
  int64_t place = last == last_.end() ? -1 : last->second;
  for (; place >= 0; place = beside_[static_cast<size_t>(place)].before) {
    const membank::ChunkInfo& info = chunks_[static_cast<size_t>(place)];
    found.push_back({info, retriever::best_score(queries, vector(info.id))});
  }
  std::ranges::reverse(found);
  return found;
}

ChunkFilter Memory::scope_filter(const ReadScope& scope) const {
  if (scope.everything) return [](const membank::ChunkInfo&) { return true; };
  std::set<uint32_t> spaces;
  for (const std::string& name : scope.name_spaces) {
    const auto found = name_spaces_.find(name);
    if (found != name_spaces_.end()) spaces.insert(found->second);
  }
  const std::set<membank::DocumentId> documents(scope.documents.begin(), scope.documents.end());
  return [spaces, documents](const membank::ChunkInfo& info) {
    return spaces.contains(info.name_space_id) || documents.contains(info.document);
  };
}

ReadScope texts_of(const membank::Snapshot& snapshot, const std::string& name_space) {
  ReadScope scope;
  for (const membank::Document& document : snapshot.documents()) {
    const bool text = document.kind == membank::DocumentKind::text;
    if (text && document.name_space == name_space) scope.documents.push_back(document.id);
  }
  return scope;
}

void drop_index_snapshots(const std::filesystem::path& bank_folder) {
  std::vector<std::filesystem::path> going;
  for (const auto& entry : std::filesystem::directory_iterator(bank_folder)) {
    const std::string name = entry.path().filename().string();
    for (const auto kind : {retriever::IndexKind::flat, retriever::IndexKind::hnsw}) {
      // What a killed process had begun to write has something behind the name.
      if (name.starts_with(snapshot_name({}, kind).string())) going.push_back(entry.path());
    }
  }
  for (const auto& path : going) std::filesystem::remove(path);
}

}  // namespace memlong::engine
