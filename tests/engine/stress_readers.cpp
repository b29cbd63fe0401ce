// Threads of the stress test that only read.
#include <algorithm>
#include <deque>
#include <numeric>
#include <set>

#include "engine/stress_workers.h"

namespace memlong::engine::stress {
namespace {

/// A chunk of a text, and what is asked for it.
struct Wanted {
  const KnownText* text;
  const KnownChunk* chunk;
};

class Searcher {
 public:
  Searcher(World& world, retriever::IndexKind kind)
      : world_(world), kind_(kind), memory_(world.new_memory(kind)) {}

  void search() {
    if (random_() % 16 == 0) memory_ = world_.new_memory(kind_);
    memory_->refresh();
    const KnownText& text = world_.texts[random_() % world_.texts.size()];
    const Wanted wanted{&text, &text.chunks[random_() % text.chunks.size()]};
    const ChunkFilter filter =
        memory_->scope_filter({.name_spaces = {kTextSpace}, .documents = {}, .everything = false});
    const std::vector<FoundChunk> found =
        memory_->search(std::vector<std::vector<float>>{wanted.chunk->vector}, 4, filter);
    for (const FoundChunk& hit : found) check_hit(hit);
    world_.require(check_ranking(wanted, found));
    ++world_.done.searches;
  }

 private:
  /// What is served is whole and right, or it is gone.
  void check_hit(const FoundChunk& hit) {
    const auto snapshot = world_.bank->snapshot();
    if (snapshot->chunk(hit.info.id)) world_.require(check_chunk(world_, *snapshot, hit.info));
    const membank::Fingerprint& f = world_.bank->fingerprint();
    const Tensor kv({2, f.kv_heads, hit.info.tokens, f.head_dim}, DType::f32);
    const Shape shape{f.kv_heads, hit.info.tokens, f.head_dim};
    const membank::KvPlace place{.id = hit.info.id,
                                 .k = kv.view().slice(0, 0, 1).reshape(shape),
                                 .v = kv.view().slice(0, 1, 2).reshape(shape)};
    const bool read = world_.bank->snapshot()->read_kv({&place, 1}, context_).front();
    if (!read && world_.bank->snapshot()->chunk(hit.info.id)) {
      world_.require("a chunk that is there cannot be read");
    }
  }

  /// Best first, each once; and an exact index that holds the chunk finds nothing less near.
  [[nodiscard]] std::string check_ranking(const Wanted& wanted,
                                          const std::vector<FoundChunk>& found) const {
    std::set<membank::ChunkId> ids;
    for (const FoundChunk& hit : found) ids.insert(hit.info.id);
    if (ids.size() != found.size()) return "a chunk was found twice";
    if (!std::ranges::is_sorted(found, std::greater<>(), &FoundChunk::score)) return "no ranking";
    if (kind_ != retriever::IndexKind::flat) return "";
    const auto document = world_.bank->snapshot()->find_text(kTextSpace, wanted.text->hash);
    if (!document) return "";
    const bool indexed =
        std::ranges::any_of(memory_->chunks(), [&](const membank::ChunkInfo& info) {
          return info.document == document->id && info.begin == wanted.chunk->begin;
        });
    const std::vector<float>& vector = wanted.chunk->vector;
    const float own = std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0F);
    if (indexed && (found.empty() || found.front().score < own - 1e-4F)) {
      return "a search for a chunk does not find it";
    }
    return "";
  }

  World& world_;
  retriever::IndexKind kind_;
  std::unique_ptr<Memory> memory_;
  Context context_ = Context({.threads = 1});
  std::mt19937_64 random_{11};
};

}  // namespace

void search_chunks(World& world, retriever::IndexKind kind) {
  Searcher searcher(world, kind);
  do {
    searcher.search();
  } while (!world.over());
}

void read_snapshots(World& world) {
  std::deque<std::unique_ptr<membank::Snapshot>> held;
  uint64_t generation = 0;
  do {
    held.push_back(world.bank->snapshot());
    if (held.back()->generation() < generation) world.require("time runs backwards");
    generation = held.back()->generation();
    world.require(check_all(world, *held.back()));
    // One that has seen compactions and growth is still what it was.
    world.require(check_all(world, *held.front()));
    if (held.size() > 3) held.pop_front();
    world.done.snapshots += 2;
    for (const membank::BadRecord& bad : world.bank->verify()) {
      world.require("verify: " + bad.database + " " + bad.key + ": " + bad.what);
    }
    ++world.done.verifications;
  } while (!world.over());
}

}  // namespace memlong::engine::stress
