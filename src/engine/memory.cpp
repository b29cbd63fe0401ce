#include "engine/memory.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/error.h"
#include "common/hash.h"
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
    if (info.id <= last) append(info, snapshot);
  });
  if (loaded.key == bank_->identity() + history()) return true;
  forget_chunks();  // an index of another history of this bank, for instance of a restored copy
  return false;
}

/// What tells apart two banks that began as one and were given other chunks: ids are the same then,
/// times are not.
std::string Memory::history() const {
  Sha256 hash;
  for (const membank::ChunkInfo& chunk : chunks_) {
    const std::array<uint64_t, 4> line = {chunk.id, chunk.document,
                                          static_cast<uint64_t>(chunk.begin),
                                          static_cast<uint64_t>(chunk.created)};
    hash.update(std::as_bytes(std::span(line)));
  }
  return to_hex(hash.finish());
}

/// A snapshot saves time at the next start; without one everything still works.
void Memory::save() const {
  if (!bank_->writable() || options_.kind == retriever::IndexKind::flat) return;
  if (index_->removed() > 0) return;  // vectors that are forgotten are not written
  try {
    index_->save(snapshot_path(), generation_, bank_->identity() + history());
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
  name_spaces_.clear();
  name_space_ids_.clear();
  append_new(snapshot);
  generation_ = snapshot.generation();
}

void Memory::append_new(const membank::Snapshot& snapshot) {
  const membank::ChunkId last = chunks_.empty() ? 0 : chunks_.back().id;
  snapshot.for_each_chunk(last, [&](const membank::ChunkInfo& info) { append(info, snapshot); });
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

void Memory::append(const membank::ChunkInfo& info, const membank::Snapshot& snapshot) {
  if (name_space_ids_.insert(info.name_space_id).second) {
    name_spaces_[snapshot.name_space_name(info.name_space_id)] = info.name_space_id;
  }
  link(info);
}

void Memory::link(const membank::ChunkInfo& info) {
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

/// Takes out what the bank no longer has. False, and nothing done, when it has chunks that were
/// passed over: those of a copy that took several commits.
bool Memory::drop_removed(const membank::Snapshot& snapshot) {
  const std::vector<membank::ChunkId> there = snapshot.chunk_ids();
  std::vector<membank::ChunkInfo> kept;
  std::vector<membank::ChunkId> gone;
  kept.reserve(chunks_.size());
  auto next = there.begin();
  for (const membank::ChunkInfo& chunk : chunks_) {
    if (next != there.end() && *next < chunk.id) return false;
    if (next != there.end() && *next == chunk.id) {
      kept.push_back(chunk);
      ++next;
    } else {
      gone.push_back(chunk.id);
    }
  }
  if (gone.empty()) return true;
  index_->remove(gone);
  forget_chunks();
  for (const membank::ChunkInfo& chunk : kept) link(chunk);
  return true;
}

void Memory::refresh() {
  const auto snapshot = bank_->snapshot();
  if (snapshot->generation() == generation_) return;
  const bool removal = snapshot->removal_generation() > generation_;
  const int64_t held = index_->size() + index_->removed();
  if (snapshot->generation() < generation_ || (removal && !drop_removed(*snapshot))) {
    rebuild(*snapshot);
    return save();
  }
  const bool built_anew = index_->size() + index_->removed() < held;
  append_new(*snapshot);
  generation_ = snapshot->generation();
  if (built_anew) save();
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
  std::unordered_set<uint32_t> spaces;
  for (const std::string& name : scope.name_spaces) {
    const auto found = name_spaces_.find(name);
    if (found != name_spaces_.end()) spaces.insert(found->second);
  }
  const std::unordered_set<membank::DocumentId> documents(scope.documents.begin(),
                                                          scope.documents.end());
  return [spaces, documents](const membank::ChunkInfo& info) {
    return spaces.contains(info.name_space_id) || documents.contains(info.document);
  };
}

ReadScope texts_of(const membank::Snapshot& snapshot, const std::string& name_space) {
  ReadScope scope;
  scope.documents = snapshot.documents_of(name_space, membank::DocumentKind::text);
  std::ranges::sort(scope.documents);
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
