#include "membank/transfer.h"

#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::error_of;
using testing::findings;
using ::testing::HasSubstr;
using testing::holds;
using testing::in_child;
using testing::open_reader;
using testing::open_writer;
using testing::small_fingerprint;
using testing::TempFolder;
using testing::wait_for;

void fill(Bank& bank) {
  add_text(bank, "novel", 6, 0, "books");
  add_text(bank, "note", 2, 40);
  bank.update([&](Transaction& t) {
    NewDocument document = testing::named("talk", DocumentKind::dialog);
    document.settings = "{}";
    const DocumentId id = t.create_document(document);
    append(t, id, small_fingerprint(), 60);
    t.append_turn(id, {"user", "hello", 0, 8, 1, 7, 5});
    t.set_tail(id, std::vector<int32_t>{4, 5});
    t.set_blob("sif", "probabilities");
    t.remove_chunks(std::vector<ChunkId>{2, 6});
    t.add_hits({{3, 7}}, 99);
  });
}

TEST(Transfer, CopiesEverythingAndKnowsItAgain) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  fill(*from);
  const auto to = open_writer(b.path());
  add_text(*to, "own", 3, 80);
  const TransferResult first = copy_documents(*from, *to, {});
  EXPECT_EQ(first.documents, 3);
  EXPECT_EQ(first.skipped, 0);
  EXPECT_EQ(first.chunks, 7);
  EXPECT_EQ(first.tokens, 56);
  const auto s = to->snapshot();
  const auto novel = s->find_name("books", "novel", DocumentKind::text);
  ASSERT_TRUE(novel);
  const auto original = from->snapshot()->find_name("books", "novel", DocumentKind::text);
  EXPECT_TRUE(novel->complete);
  EXPECT_EQ(novel->created, original->created);
  EXPECT_EQ(novel->updated, original->updated);
  EXPECT_EQ(novel->tokens, 48);
  EXPECT_EQ(novel->chunks, 4);
  EXPECT_EQ(s->text(novel->id), "text of novel");
  const auto chunks = s->document_chunks(novel->id);
  ASSERT_EQ(chunks.size(), 4U);
  EXPECT_EQ(chunks[1].begin, 16);  // the second was pruned
  EXPECT_EQ(chunks[1].hits, 7U);
  EXPECT_EQ(chunks[1].last_hit, 99);
  EXPECT_TRUE(holds(*s, small_fingerprint(), chunks[1].id, 2));
  const auto talk = s->find_name("default", "talk", DocumentKind::dialog);
  ASSERT_TRUE(talk);
  EXPECT_EQ(talk->tail, (std::vector<int32_t>{4, 5}));
  EXPECT_EQ(talk->tokens, 10);
  EXPECT_EQ(talk->settings, "{}");
  EXPECT_EQ(s->turns(talk->id).at(0).content, "hello");
  EXPECT_EQ(s->blob("sif"), "probabilities");
  EXPECT_EQ(findings(*to), "");
  const TransferResult second = copy_documents(*from, *to, {});
  EXPECT_EQ(second.documents, 0);
  EXPECT_EQ(second.skipped, 3);
  EXPECT_EQ(to->snapshot()->stats().chunks, 10);
}

TEST(Transfer, TakesOnlyTheNamespacesAskedFor) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  fill(*from);
  const auto to = open_writer(b.path());
  std::vector<std::pair<int64_t, int64_t>> steps;
  copy_documents(*from, *to, {"books"},
                 [&](int64_t done, int64_t total) { steps.emplace_back(done, total); });
  EXPECT_EQ(to->snapshot()->documents().size(), 1U);
  EXPECT_EQ(steps.back(), (std::pair<int64_t, int64_t>{1, 1}));
}

TEST(Transfer, AnUnfinishedTextIsReplaced) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  fill(*from);
  const auto to = open_writer(b.path());
  to->update([&](Transaction& t) {
    NewDocument half = testing::named("note");
    half.content_hash = sha256("note40");
    append(t, t.create_document(half), small_fingerprint(), 40);
  });
  EXPECT_EQ(copy_documents(*from, *to, {"default"}).documents, 2);
  EXPECT_EQ(to->snapshot()->documents().size(), 2U);
  EXPECT_TRUE(to->snapshot()->find_text("default", sha256("note40"))->complete);
  EXPECT_EQ(findings(*to), "");
}

TEST(Transfer, RefusesAnotherFingerprint) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  Fingerprint other = small_fingerprint();
  other.embedder = "pooled";
  const auto to = open_writer(b.path(), other);
  const Error error = error_of([&] { copy_documents(*from, *to, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::mismatch);
  EXPECT_THAT(error.what(), HasSubstr("embedder pooled"));
}

TEST(Transfer, ALargeDocumentTakesSeveralCommitsAndSurvivesAKill) {
  const TempFolder a;
  const TempFolder b;
  Fingerprint f = small_fingerprint();
  f.head_dim = 4096;  // 256 KiB a chunk: 128 chunks a commit
  {
    const auto from = open_writer(a.path(), f);
    add_text(*from, "huge", 300, 0);
  }
  const pid_t copier = in_child([&] {
    const auto from = open_reader(a.path());
    const auto to = open_writer(b.path(), f);
    copy_documents(*from, *to, {}, [&](int64_t, int64_t) {
      if (to->snapshot()->last_chunk() > 0) ::kill(::getpid(), SIGKILL);
    });
    return 0;
  });
  EXPECT_EQ(wait_for(copier), -SIGKILL);
  {
    const auto half = open_reader(b.path());
    EXPECT_EQ(half->snapshot()->last_chunk(), 127U);
    EXPECT_EQ(half->snapshot()->stats().chunks, 0);
    EXPECT_FALSE(half->snapshot()->find_text("default", sha256("huge0")));
    EXPECT_EQ(findings(*half), "");
  }
  const auto to = open_writer(b.path(), f);  // forgets the half copy
  EXPECT_EQ(to->snapshot()->stats().chunks, 0);
  EXPECT_EQ(to->snapshot()->stats().documents, 0);
  const auto from = open_reader(a.path());
  EXPECT_EQ(copy_documents(*from, *to, {}).chunks, 300);
  EXPECT_TRUE(to->snapshot()->find_text("default", sha256("huge0"))->complete);
  EXPECT_TRUE(holds(*to->snapshot(), f, to->snapshot()->last_chunk(), 299));
  EXPECT_EQ(findings(*to), "");
}

}  // namespace
}  // namespace memlong::membank
