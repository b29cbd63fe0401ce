// One process ingests, talks, searches, prunes, forgets and compacts, all at once on one bank.
// MEMLONG_STRESS_SECONDS says how long (2); scripts/stress.sh runs it under the thread sanitizer.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <thread>

#include <gtest/gtest.h>

#include "common/log.h"
#include "engine/encoder.h"
#include "engine/stress_workers.h"

namespace memlong::engine::stress {
namespace {

using membank::Bank;
using membank::Document;
using membank::DocumentKind;

double seconds_to_run() {
  const char* text = std::getenv("MEMLONG_STRESS_SECONDS");
  return text != nullptr ? std::atof(text) : 2.0;
}

/// Warnings of sessions whose chunks were pruned are what is to be expected here.
class NoWarnings {
 public:
  NoWarnings() { log::set_level(log::Level::error); }
  NoWarnings(const NoWarnings&) = delete;
  NoWarnings& operator=(const NoWarnings&) = delete;
  ~NoWarnings() { log::set_level(log::Level::info); }
};

void run_threads(World& world, const std::vector<std::function<void()>>& bodies) {
  std::vector<std::jthread> threads;
  for (const auto& body : bodies) {
    threads.emplace_back([&world, body] {
      try {
        body();
      } catch (const std::exception& error) {
        world.require(error.what());
      }
    });
  }
}

std::string findings(const Bank& bank) {
  std::string text;
  for (const membank::BadRecord& bad : bank.verify()) {
    text += bad.database + " " + bad.key + ": " + bad.what + "\n";
  }
  return text;
}

/// Every document that was not forgotten, and no other.
void expect_documents(const World& world, const membank::Snapshot& snapshot) {
  size_t texts = 0;
  for (const Document& document : snapshot.documents()) {
    if (document.kind == DocumentKind::text) texts += document.complete ? 1 : 0;
  }
  size_t complete = 0;
  for (size_t i = 0; i < world.texts.size(); ++i) {
    if (!world.ledger.complete(i)) continue;
    ++complete;
    const auto document = snapshot.find_text(kTextSpace, world.texts[i].hash);
    ASSERT_TRUE(document && document->complete) << world.texts[i].source.name;
    EXPECT_EQ(snapshot.text(document->id), world.texts[i].text);
  }
  EXPECT_EQ(texts, complete);
  int64_t talks = 0;
  for (const Document& document : snapshot.documents()) {
    talks += document.kind == DocumentKind::dialog ? 1 : 0;
  }
  EXPECT_EQ(talks, static_cast<int64_t>(world.ledger.talks().size()));
}

/// The chunks that a talk still has are those of its tokens: read again, they give nearly the same
/// K and V (a token that is read alone is added up in another order).
void expect_talk(World& world, const membank::Snapshot& snapshot, const Talk& talk) {
  const auto turns = snapshot.turns(talk.id);
  ASSERT_EQ(turns.size(), talk.turns.size()) << talk.name;
  for (size_t i = 0; i < turns.size(); ++i) EXPECT_EQ(turns[i].content, talk.turns[i].content);
  std::vector<EncodedChunk> chunks;
  Encoder encoder(world.setup, world.model, world.embedder, DType::f32,
                  [&](EncodedChunk&& chunk) { chunks.push_back(std::move(chunk)); });
  encoder.begin();
  encoder.push(talk.tokens);
  encoder.finish(true);
  for (const membank::ChunkInfo& info : snapshot.document_chunks(talk.id)) {
    const EncodedChunk& want =
        chunks.at(static_cast<size_t>(info.begin / world.model->settings.chunk));
    if (!talk.whole) continue;  // what was read while chunks were missing is not to be had again
    EXPECT_EQ(snapshot.chunk_tokens(info.id), want.ids) << talk.name << " " << info.begin;
    const Tensor k(want.k.shape(), DType::f32);
    const Tensor v(want.v.shape(), DType::f32);
    ASSERT_TRUE(snapshot.read_kv(info.id, k, v));
    double distance = 0.0;
    double length = 0.0;
    for (int64_t i = 0; i < k.view().elements(); ++i) {
      distance += std::abs(k.data<float>()[i] - want.k.data<float>()[i]) +
                  std::abs(v.data<float>()[i] - want.v.data<float>()[i]);
      length += std::abs(want.k.data<float>()[i]) + std::abs(want.v.data<float>()[i]);
    }
    EXPECT_LT(distance, 0.03 * length) << talk.name << " " << info.begin;
  }
}

/// A fresh index and those that lie on disk hold the bank's chunks and no others.
void expect_indexes(const World& world, const membank::Snapshot& snapshot) {
  std::vector<membank::ChunkInfo> chunks;
  snapshot.for_each_chunk(0, [&](const membank::ChunkInfo& info) { chunks.push_back(info); });
  for (const auto kind : {retriever::IndexKind::flat, retriever::IndexKind::hnsw}) {
    const auto memory = world.new_memory(kind);
    EXPECT_TRUE(std::ranges::equal(memory->chunks(), chunks, {}, &membank::ChunkInfo::id,
                                   &membank::ChunkInfo::id));
    for (const membank::ChunkInfo& info : chunks) {
      const auto found =
          memory->search(std::vector<std::vector<float>>{snapshot.chunk_vector(info.id)}, 1,
                         [&](const auto& other) { return other.id == info.id; });
      ASSERT_EQ(found.size(), 1U) << info.id;
    }
  }
}

void expect_all_done(const Counts& done) {
  for (const auto* count : {&done.ingests, &done.texts, &done.answers, &done.searches,
                            &done.snapshots, &done.verifications, &done.compactions}) {
    EXPECT_GT(*count, 0);
  }
}

void print(const Counts& done, double seconds) {
  std::cout << "stress: " << seconds << " s, " << done.ingests << " ingests ("
            << done.stopped_ingests << " stopped) of " << done.texts << " texts, " << done.answers
            << " answers (" << done.resumed << " resumed talks), " << done.searches << " searches, "
            << done.snapshots << " snapshots read whole, " << done.verifications
            << " verifications, " << done.forgotten << " documents forgotten, " << done.prunes
            << " prunes, " << done.compactions << " compactions, " << done.chunks_added
            << " chunks added, " << done.chunks_removed << " removed\n";
}

TEST(Stress, IngestTalkSearchPruneForgetAndCompactAtOnce) {
  const NoWarnings quiet;
  const double seconds = seconds_to_run();
  World world(24);
  world.end = std::chrono::steady_clock::now() +
              std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds));
  run_threads(world, {[&] { ingest_texts(world, 0, 2); }, [&] { ingest_texts(world, 1, 2); },
                      [&] { hold_talks(world, 1); }, [&] { hold_talks(world, 2); },
                      [&] { search_chunks(world, retriever::IndexKind::flat); },
                      [&] { search_chunks(world, retriever::IndexKind::hnsw); },
                      [&] { read_snapshots(world); }, [&] { look_after(world); }});
  print(world.done, seconds);
  expect_all_done(world.done);
  if (HasFailure()) return;
  EXPECT_EQ(findings(*world.bank), "");
  for (int time = 0; time < 2; ++time) {
    const auto snapshot = world.bank->snapshot();
    EXPECT_EQ(check_all(world, *snapshot), "");
    expect_documents(world, *snapshot);
    for (const Talk& talk : world.ledger.talks()) expect_talk(world, *snapshot, talk);
    expect_indexes(world, *snapshot);
    EXPECT_EQ(snapshot->last_chunk(), static_cast<uint64_t>(world.done.chunks_added));
    EXPECT_EQ(snapshot->stats().chunks, world.done.chunks_added - world.done.chunks_removed);
    if (time > 0) break;
    // And so it is on disk.
    world.bank->compact();
    world.bank.reset();
    world.bank = Bank::open(world.folder.path() / "bank", {.mode = membank::OpenMode::read});
    EXPECT_EQ(findings(*world.bank), "");
  }
}

}  // namespace
}  // namespace memlong::engine::stress
