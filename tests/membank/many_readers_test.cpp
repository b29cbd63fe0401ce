// Sixteen processes read while another writes, removes and compacts: whatever they are given is a
// whole chunk, of the state they look at.
#include <random>
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"
#include "membank/retention.h"

namespace memlong::membank {
namespace {

using testing::append;
using testing::error_of;
using testing::findings;
using testing::holds;
using testing::in_child;
using testing::open_reader;
using testing::open_writer;
using testing::TempFolder;
using testing::wait_for;

constexpr int kReaders = 16;
constexpr int kRounds = 40;

/// Chunks of 4 KiB and more, so that pages change hands all the time.
Fingerprint fingerprint() {
  Fingerprint f = testing::small_fingerprint();
  f.head_dim = 64;
  return f;
}

/// What a chunk holds follows from its id.
int seed_of(ChunkId id) { return static_cast<int>(id * 7 % 1000); }

void add_document(Bank& bank, int number, int chunks) {
  bank.update([&](Transaction& t) {
    const DocumentId id = t.create_document(testing::named("d" + std::to_string(number)));
    for (int i = 0; i < chunks; ++i) {
      append(t, id, bank.fingerprint(), seed_of(t.last_chunk() + 1));
    }
    t.append_text(id, "text of d" + std::to_string(number));
    t.finish_document(id);
  });
}

/// Reads everything of one snapshot. 0, or what is wrong.
int check_snapshot(const Snapshot& s, const Fingerprint& f, int64_t& chunks_read) {
  int64_t chunks = 0;
  int wrong = 0;
  s.for_each_chunk(0, [&](const ChunkInfo& info) {
    ++chunks;
    if (!holds(s, f, info.id, seed_of(info.id))) wrong = 11;
    if (info.tokens != f.chunk_tokens) wrong = 12;
  });
  int64_t vectors = 0;
  s.for_each_vector(0, [&](ChunkId, std::span<const float>) { ++vectors; });
  if (chunks != s.stats().chunks || vectors != chunks) return 13;
  int64_t listed = 0;
  for (const Document& document : s.documents()) {
    if (s.text(document.id) != "text of " + document.name) return 14;
    listed += static_cast<int64_t>(s.document_chunks(document.id).size());
  }
  chunks_read += chunks;
  return listed == chunks ? wrong : 15;
}

int read_until(const std::filesystem::path& folder, const std::filesystem::path& stop) {
  const Fingerprint f = fingerprint();
  const auto bank = open_reader(folder);
  uint64_t generation = 0;
  int64_t chunks_read = 0;
  do {
    const auto s = bank->snapshot();
    if (s->generation() < generation) return 10;  // a compaction must not turn time back
    generation = s->generation();
    if (const int wrong = check_snapshot(*s, f, chunks_read); wrong != 0) return wrong;
    ::usleep(static_cast<useconds_t>(::getpid() % 7) * 300);
  } while (!std::filesystem::exists(stop));
  const auto last = bank->snapshot();
  if (last->generation() < generation || chunks_read == 0) return 16;
  return check_snapshot(*last, f, chunks_read);
}

TEST(ManyReaders, SeeWholeChunksOfOneState) {
  const TempFolder folder;
  const TempFolder signs;
  const auto stop = signs.path() / "stop";
  const auto bank = open_writer(folder.path(), fingerprint());
  add_document(*bank, 0, 10);
  std::vector<pid_t> readers;
  for (int r = 0; r < kReaders; ++r) {
    readers.push_back(in_child([&] { return read_until(folder.path(), stop); }));
  }
  std::mt19937 random(5);
  for (int round = 1; round <= kRounds; ++round) {
    add_document(*bank, round, 4 + static_cast<int>(random() % 20));
    const auto documents = bank->snapshot()->documents();
    if (round % 3 == 0) {
      const DocumentId id = documents[random() % documents.size()].id;
      bank->update([&](Transaction& t) { t.forget(id); });
    }
    if (round % 5 == 0) {
      apply_retention(*bank, {.policy = RetentionPolicy::lru, .chunks = 60, .bytes = 0});
    }
    if (round % 10 == 0) bank->compact();
  }
  EXPECT_EQ(findings(*bank), "");
  std::filesystem::create_directory(stop);
  for (const pid_t reader : readers) EXPECT_EQ(wait_for(reader), 0);
  int64_t read = 0;
  EXPECT_EQ(check_snapshot(*bank->snapshot(), fingerprint(), read), 0);
}

TEST(ManyReaders, FollowACompaction) {
  const TempFolder folder;
  const auto writer = open_writer(folder.path(), fingerprint());
  add_document(*writer, 0, 5);
  add_document(*writer, 1, 5);
  writer->update([](Transaction& t) { t.forget(1); });
  int ready[2];
  int go[2];
  ASSERT_EQ(::pipe(ready) | ::pipe(go), 0);
  const pid_t child = in_child([&] {
    const auto bank = open_reader(folder.path());
    const auto before = bank->snapshot();
    char sign = 'r';
    if (::write(ready[1], &sign, 1) != 1 || ::read(go[0], &sign, 1) != 1) return 1;
    if (!holds(*before, fingerprint(), 6, seed_of(6))) return 2;  // what was open stays
    const auto after = bank->snapshot();
    if (after->document(2)) return 3;
    if (after->chunk(6)) return 4;
    if (after->stats().chunks != 3) return 5;
    return findings(*bank).empty() ? 0 : 6;
  });
  char sign = 0;
  ASSERT_EQ(::read(ready[0], &sign, 1), 1);
  writer->compact();
  // Behind the compaction: a reader that stayed with the old file would never hear of it.
  writer->update([](Transaction& t) { t.forget(2); });
  add_document(*writer, 2, 3);
  ASSERT_EQ(::write(go[1], &sign, 1), 1);
  EXPECT_EQ(wait_for(child), 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
}

TEST(ManyReaders, RefuseAnotherBankInTheSamePlace) {
  const TempFolder folder;
  const auto place = folder.path() / "bank";
  { add_document(*open_writer(place, fingerprint()), 0, 5); }
  const auto reader = open_reader(place);
  EXPECT_EQ(reader->snapshot()->stats().chunks, 5);
  std::filesystem::rename(place, folder.path() / "old");
  EXPECT_EQ(error_of([&] { (void)reader->snapshot(); }).kind(), ErrorKind::io);
  { add_document(*open_writer(place, fingerprint()), 0, 2); }
  EXPECT_EQ(error_of([&] { (void)reader->snapshot(); }).kind(), ErrorKind::mismatch);
}

}  // namespace
}  // namespace memlong::membank
