#include "engine/stress_world.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "engine/chunk.h"

namespace memlong::engine::stress {
namespace {

using membank::Document;
using membank::DocumentKind;
using membank::Snapshot;

/// Smaller than what comes in, so that the map grows under everybody's feet.
constexpr size_t kMapBytes = size_t{1} << 20;

/// A talk's chunks: their tokens are what was said, whoever says it; their vectors follow.
std::string check_talk_chunk(const World& world, const KnownChunk& chunk) {
  std::vector<float> vector(static_cast<size_t>(world.embedder->dim()));
  world.embedder->embed(chunk.ids, {}, vector);
  round_as_stored(vector);
  if (static_cast<int64_t>(chunk.ids.size()) != world.model->settings.chunk) return "cut short";
  return chunk.vector == vector ? "" : "another vector than its tokens have";
}

std::string check_text_chunk(const World& world, const std::string& name,
                             const KnownChunk& stored) {
  const KnownText* text = world.texts.find(name);
  if (text == nullptr) return "of a text that nobody wrote";
  const auto known = std::ranges::find(text->chunks, stored.begin, &KnownChunk::begin);
  return known == text->chunks.end() ? "at an impossible place" : difference(stored, *known);
}

std::string check_document(const World& world, const Snapshot& snapshot, const Document& document) {
  if (document.kind == DocumentKind::dialog) {
    const auto turns = snapshot.turns(document.id);
    return !turns.empty() && turns.back().end == document.tokens ? "" : "turns and tokens disagree";
  }
  const KnownText* text = world.texts.find(document.name);
  if (text == nullptr) return "a text that nobody wrote";
  const std::string stored = snapshot.text(document.id);
  if (document.complete) return stored == text->text ? "" : "another text";
  return text->text.starts_with(stored) ? "" : "no beginning of its text";
}

}  // namespace

std::optional<size_t> Ledger::take(const std::function<bool(size_t, bool)>& wanted, uint64_t draw) {
  const std::scoped_lock lock(mutex_);
  for (size_t i = 0; i < complete_.size(); ++i) {
    const size_t text = (draw + i) % complete_.size();
    if (taken_.contains(text) || !wanted(text, complete_[text])) continue;
    taken_.insert(text);
    return text;
  }
  return std::nullopt;
}

void Ledger::give_back(size_t text, bool complete) {
  const std::scoped_lock lock(mutex_);
  complete_[text] = complete;
  taken_.erase(text);
}

bool Ledger::complete(size_t text) const {
  const std::scoped_lock lock(mutex_);
  return complete_[text];
}

void Ledger::talk_ended(Talk talk) {
  const std::scoped_lock lock(mutex_);
  talks_.push_back(std::move(talk));
}

std::optional<Talk> Ledger::take_talk(uint64_t draw) {
  const std::scoped_lock lock(mutex_);
  if (talks_.empty()) return std::nullopt;
  const auto place = talks_.begin() + static_cast<std::ptrdiff_t>(draw % talks_.size());
  Talk talk = std::move(*place);
  talks_.erase(place);
  return talk;
}

std::vector<Talk> Ledger::talks() const {
  const std::scoped_lock lock(mutex_);
  return talks_;
}

World::World(int count)
    : setup({.threads = 1}),
      model(small_window_model(setup)),
      embedder(make_embedder(setup, *model)),
      texts(setup, model, folder, count),
      bank(membank::Bank::open(folder.path() / "bank", {.mode = membank::OpenMode::write,
                                                        .fingerprint = model->fingerprint(),
                                                        .initial_map_bytes = kMapBytes})),
      ledger(texts.size()) {}

bool World::over() const { return failed_ || std::chrono::steady_clock::now() >= end; }

void World::require(const std::string& problem) {
  if (problem.empty()) return;
  failed_ = true;
  ADD_FAILURE() << problem;
}

std::unique_ptr<Memory> World::new_memory(retriever::IndexKind kind) const {
  retriever::IndexOptions options;
  options.kind = kind;
  return std::make_unique<Memory>(bank, options);
}

std::string check_chunk(const World& world, const Snapshot& snapshot,
                        const membank::ChunkInfo& info) {
  const KnownChunk chunk = stored_chunk(snapshot, world.bank->fingerprint(), info);
  const auto document = snapshot.document(info.document);
  std::string problem = chunk.ids.empty() ? "not there" : "of no document";
  if (document && !chunk.ids.empty()) {
    problem = document->kind == DocumentKind::text ? check_text_chunk(world, document->name, chunk)
                                                   : check_talk_chunk(world, chunk);
  }
  if (problem.empty()) return "";
  return "chunk " + std::to_string(info.id) + " of " + (document ? document->name : "?") +
         " at token " + std::to_string(info.begin) + ": " + problem;
}

std::string check_all(const World& world, const Snapshot& snapshot) {
  std::string problem;
  int64_t chunks = 0;
  int64_t tokens = 0;
  snapshot.for_each_chunk(0, [&](const membank::ChunkInfo& info) {
    ++chunks;
    tokens += info.tokens;
    if (problem.empty()) problem = check_chunk(world, snapshot, info);
  });
  if (!problem.empty()) return problem;
  int64_t vectors = 0;
  snapshot.for_each_vector(0, [&](membank::ChunkId, std::span<const float>) { ++vectors; });
  const membank::BankStats stats = snapshot.stats();
  const std::vector<Document> documents = snapshot.documents();
  int64_t listed = 0;
  for (const Document& document : documents) {
    listed += static_cast<int64_t>(snapshot.document_chunks(document.id).size());
    problem = check_document(world, snapshot, document);
    if (!problem.empty()) return document.name + ": " + problem;
  }
  const bool counted = stats.chunks == chunks && stats.tokens == tokens && vectors == chunks &&
                       listed == chunks &&
                       stats.documents == static_cast<int64_t>(documents.size());
  return counted ? "" : "a snapshot counts other chunks than it has";
}

}  // namespace memlong::engine::stress
