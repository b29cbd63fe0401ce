#include <vector>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::error_of;
using testing::findings;
using testing::holds;
using testing::open_reader;
using testing::open_writer;
using testing::small_fingerprint;
using testing::TempFolder;

TEST(Removal, ForgetTakesADocumentFromEverywhere) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const DocumentId first = add_text(*bank, "a", 3, 0);
  const DocumentId second = add_text(*bank, "b", 2, 10);
  bank->count_hits(std::vector<ChunkId>{1, 4});
  bank->flush_hits();
  Removed removed;
  bank->update([&](Transaction& t) { removed = t.forget(first); });
  EXPECT_EQ(removed.documents, 1);
  EXPECT_EQ(removed.chunks, 3);
  EXPECT_EQ(removed.tokens, 24);
  const auto s = bank->snapshot();
  EXPECT_FALSE(s->document(first));
  EXPECT_FALSE(s->find_text("default", sha256("a0")));
  EXPECT_FALSE(s->find_name("default", "a", DocumentKind::text));
  EXPECT_EQ(s->text(first), "");
  EXPECT_FALSE(s->chunk(1));
  const testing::SampleChunk room(small_fingerprint(), 0, 8);
  EXPECT_FALSE(s->read_kv(1, room.k, room.v));
  EXPECT_TRUE(s->chunk_vector(1).empty());
  EXPECT_EQ(s->stats().documents, 1);
  EXPECT_EQ(s->stats().chunks, 2);
  EXPECT_EQ(s->stats().tokens, 16);
  EXPECT_EQ(s->removal_generation(), s->generation());
  EXPECT_TRUE(holds(*s, small_fingerprint(), 4, 10));
  EXPECT_EQ(s->chunk(4)->hits, 1U);
  EXPECT_EQ(findings(*bank), "");
  // Ids are not used again.
  EXPECT_EQ(add_text(*bank, "c", 1, 20), second + 1);
  EXPECT_EQ(bank->snapshot()->last_chunk(), 6U);
  EXPECT_LT(bank->snapshot()->removal_generation(), bank->snapshot()->generation());
  EXPECT_EQ(error_of([&] { bank->update([&](Transaction& t) { t.forget(first); }); }).kind(),
            ErrorKind::usage);
}

TEST(Removal, PrunedChunksLeaveTheRestOfTheirDocument) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const DocumentId id = add_text(*bank, "a", 5, 0);
  Removed removed;
  const std::vector<ChunkId> going = {2, 4, 77};
  bank->update([&](Transaction& t) { removed = t.remove_chunks(going); });
  EXPECT_EQ(removed.documents, 0);
  EXPECT_EQ(removed.chunks, 2);
  EXPECT_EQ(removed.tokens, 16);
  const auto s = bank->snapshot();
  EXPECT_EQ(s->document(id)->chunks, 3);
  EXPECT_EQ(s->document(id)->tokens, 40);
  const auto left = s->document_chunks(id);
  ASSERT_EQ(left.size(), 3U);
  EXPECT_EQ(left[1].id, 3U);
  EXPECT_EQ(left[1].begin, 16);
  EXPECT_EQ(s->text(id), "text of a");
  EXPECT_EQ(findings(*bank), "");
}

TEST(Removal, RoomIsUsedAgain) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  DocumentId id = add_text(*bank, "a", 300, 0);
  bank->update([&](Transaction& t) { t.forget(id); });
  const auto before = bank->snapshot()->stats();
  EXPECT_LT(before.used_bytes, before.bytes / 2);
  std::vector<int64_t> sizes;
  for (int round = 0; round < 8; ++round) {
    id = add_text(*bank, "a" + std::to_string(round), 300, 0);
    bank->update([&](Transaction& t) { t.forget(id); });
    sizes.push_back(bank->snapshot()->stats().bytes);
  }
  EXPECT_LT(sizes.back(), before.bytes * 5 / 2);
  EXPECT_LT(sizes.back(), sizes[3] * 11 / 10);  // it does not go on growing
}

TEST(Hits, PersistWithTheNextCommitAndAtTheEnd) {
  const TempFolder folder;
  {
    const auto bank = open_writer(folder.path());
    add_text(*bank, "a", 3, 0);
    bank->count_hits(std::vector<ChunkId>{1, 2, 2});
    EXPECT_EQ(bank->snapshot()->chunk(2)->hits, 0U);  // not yet flushed
    add_text(*bank, "b", 1, 9);                       // a commit of something else
    EXPECT_EQ(bank->snapshot()->chunk(2)->hits, 2U);
    EXPECT_GT(bank->snapshot()->chunk(2)->last_hit, 0);
    EXPECT_EQ(bank->snapshot()->chunk(3)->last_hit, 0);
    bank->count_hits(std::vector<ChunkId>{2, 3, 999});
  }
  {
    const auto bank = open_writer(folder.path());
    const auto s = bank->snapshot();
    EXPECT_EQ(s->chunk(1)->hits, 1U);
    EXPECT_EQ(s->chunk(2)->hits, 3U);
    EXPECT_EQ(s->chunk(3)->hits, 1U);
    EXPECT_FALSE(s->chunk(999));
    bank->update([](Transaction& t) { t.add_hits({{1, 5}}, 123); });
    EXPECT_EQ(bank->snapshot()->chunk(1)->hits, 6U);
    EXPECT_EQ(bank->snapshot()->chunk(1)->last_hit, s->chunk(1)->last_hit);  // 123 is older
    EXPECT_EQ(findings(*bank), "");
  }
  const auto reader = open_reader(folder.path());
  reader->count_hits(std::vector<ChunkId>{1});  // nothing to write to: forgotten
  reader->flush_hits();
  EXPECT_EQ(reader->snapshot()->chunk(1)->hits, 6U);
}

TEST(Hits, SurviveAnUpdateThatFails) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  add_text(*bank, "a", 1, 0);
  bank->count_hits(std::vector<ChunkId>{1});
  error_of([&] { bank->update([](Transaction&) { fail(ErrorKind::stopped, "no"); }); });
  bank->flush_hits();
  EXPECT_EQ(bank->snapshot()->chunk(1)->hits, 1U);
}

TEST(Compact, GivesRoomBackAndKeepsEverything) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const DocumentId going = add_text(*bank, "a", 300, 0);
  const DocumentId staying = add_text(*bank, "b", 20, 400);
  bank->update([&](Transaction& t) { t.forget(going); });
  const auto old = bank->snapshot();
  const auto before = old->stats();
  bank->compact();
  const auto after = bank->snapshot()->stats();
  EXPECT_LT(after.bytes, before.bytes / 3);
  EXPECT_EQ(after.chunks, 20);
  EXPECT_EQ(after.generation, before.generation);
  EXPECT_TRUE(holds(*old, small_fingerprint(), 310, 409));  // an open snapshot lives on
  EXPECT_TRUE(holds(*bank->snapshot(), small_fingerprint(), 310, 409));
  EXPECT_EQ(bank->snapshot()->text(staying), "text of b");
  add_text(*bank, "c", 5, 500);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 25);
  EXPECT_EQ(old->stats().chunks, 20);
  EXPECT_EQ(findings(*bank), "");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "data.mdb.new"));
}

TEST(Compact, ALockFileLeftFromBeforeIsReplaced) {
  const TempFolder folder;
  {
    const auto bank = open_writer(folder.path());
    for (int i = 0; i < 9; ++i) add_text(*bank, "a" + std::to_string(i), 1, i);
    // As if the process had died between the two steps of compact().
    std::filesystem::copy_file(folder.path() / "lock.mdb", folder.path() / "stale");
    bank->compact();
  }
  std::filesystem::rename(folder.path() / "stale", folder.path() / "lock.mdb");
  const auto bank = open_writer(folder.path());
  EXPECT_EQ(bank->snapshot()->stats().chunks, 9);
  add_text(*bank, "b", 1, 20);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 10);
  EXPECT_EQ(findings(*bank), "");
}

}  // namespace
}  // namespace memlong::membank
