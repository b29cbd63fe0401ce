// Copies of a bank that is in use, damaged, or copied again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/file.h"
#include "membank/bank_fixture.h"
#include "membank/transfer.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::error_of;
using testing::findings;
using ::testing::HasSubstr;
using testing::holds;
using testing::open_reader;
using testing::open_writer;
using testing::small_fingerprint;
using testing::TempFolder;

/// Sixteen chunks fill a commit of a copy.
Fingerprint large_chunks() {
  Fingerprint f = small_fingerprint();
  f.head_dim = 32768;
  return f;
}

DocumentId add_dialog(Bank& bank, const std::string& name, int chunks, int turns) {
  DocumentId id = 0;
  bank.update([&](Transaction& t) {
    id = t.create_document(testing::named(name, DocumentKind::dialog));
    for (int i = 0; i < chunks; ++i) append(t, id, bank.fingerprint(), 60 + i);
    for (int i = 0; i < turns; ++i) {
      t.append_turn(id, {"user", "turn " + std::to_string(i), i, i + 1, i, i + 1, 5 + i});
    }
  });
  return id;
}

/// What a copy must be equal to. Ids differ between banks.
std::string content(const Snapshot& s) {
  std::ostringstream out;
  for (const Document& d : s.documents()) {
    out << d.name << ' ' << d.complete << ' ' << d.tokens << ' ' << d.chunks << ' ' << d.created
        << ' ' << d.updated << ' ' << d.tail.size() << ' ' << s.text(d.id);
    for (const ChunkInfo& c : s.document_chunks(d.id)) {
      out << ' ' << c.begin << '+' << c.tokens << ':' << s.chunk_tokens(c.id).front();
    }
    out << '\n';
  }
  return out.str();
}

TEST(TransferState, ABankInUseIsCopiedAsItWasAtTheStart) {
  const TempFolder a;
  const TempFolder b;
  const Fingerprint f = large_chunks();
  const auto from = open_writer(a.path(), f);
  const DocumentId dialog = add_dialog(*from, "talk", 20, 4);
  const DocumentId pruned = add_text(*from, "pruned", 20, 100);
  const DocumentId forgotten = add_text(*from, "forgotten", 20, 200);
  DocumentId half = 0;
  from->update([&](Transaction& t) {
    NewDocument text = testing::named("half");
    text.content_hash = sha256("half");
    half = t.create_document(text);
    for (int i = 0; i < 3; ++i) append(t, half, f, 300 + i);
    t.append_text(half, "half a text");
  });
  const std::string before = content(*from->snapshot());
  const auto to = open_writer(b.path(), f);
  int calls = 0;
  const TransferResult result = copy_documents(*from, *to, {}, [&](int64_t, int64_t) {
    if (++calls != 1) return;
    std::vector<ChunkId> going;
    for (const ChunkInfo& c : from->snapshot()->document_chunks(pruned)) going.push_back(c.id);
    from->remove_chunks(going);
    from->update([&](Transaction& t) {
      append(t, dialog, f, 90);
      t.append_turn(dialog, {"user", "later", 9, 10, 9, 10, 50});
      t.set_tail(dialog, std::vector<int32_t>{1, 2});
      t.forget(forgotten);
      append(t, half, f, 310);
      t.append_text(half, " goes on");
    });
    add_text(*from, "new", 2, 400);
  });
  EXPECT_GE(calls, 4);
  EXPECT_EQ(result.documents, 4);
  EXPECT_EQ(result.chunks, 63);
  EXPECT_TRUE(result.left_out.empty());
  EXPECT_EQ(findings(*to), "");
  EXPECT_EQ(content(*to->snapshot()), before);
  EXPECT_TRUE(holds(*to->snapshot(), f, to->snapshot()->last_chunk(), 302));
  EXPECT_EQ(from->snapshot()->documents().size(), 4U);  // the changes were made
}

/// Everything that shows what is in a bank.
void expect_only(const Bank& bank, const std::string& name, int64_t chunks) {
  const auto s = bank.snapshot();
  const auto documents = s->documents();
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0].name, name);
  EXPECT_EQ(s->stats().documents, 1);
  EXPECT_EQ(s->stats().chunks, chunks);
  EXPECT_EQ(s->stats().tokens, chunks * 8);
  std::vector<ChunkId> headers;
  std::vector<ChunkId> vectors;
  s->for_each_chunk(0, [&](const ChunkInfo& info) { headers.push_back(info.id); });
  s->for_each_vector(0, [&](ChunkId id, std::span<const float>) { vectors.push_back(id); });
  EXPECT_EQ(headers.size(), static_cast<size_t>(chunks));
  EXPECT_EQ(vectors, headers);
  EXPECT_EQ(s->chunk_ids(), headers);
}

TEST(TransferState, WhatIsHalfCopiedIsNowhere) {
  const TempFolder a;
  const TempFolder b;
  const TempFolder c;
  const Fingerprint f = large_chunks();
  const auto from = open_writer(a.path(), f);
  add_text(*from, "huge", 40, 100);
  from->remove_chunks(std::vector<ChunkId>{3, 5});
  const auto to = open_writer(b.path(), f);
  add_text(*to, "own", 2, 0);
  const auto third = open_writer(c.path(), f);
  int calls = 0;
  copy_documents(*from, *to, {}, [&](int64_t done, int64_t) {
    if (done > 0 || ++calls != 1) return;
    EXPECT_GT(to->snapshot()->last_chunk(), 10U);
    expect_only(*to, "own", 2);
    EXPECT_FALSE(to->snapshot()->document(2));
    EXPECT_EQ(findings(*to), "");
    EXPECT_EQ(copy_documents(*to, *third, {}).documents, 1);
    add_text(*to, "between", 1, 50);  // its chunk comes before the rest of the copy
  });
  ASSERT_GE(calls, 1);
  expect_only(*third, "own", 2);
  const auto s = to->snapshot();
  EXPECT_EQ(s->documents().size(), 3U);
  EXPECT_EQ(s->stats().chunks, 41);
  EXPECT_EQ(s->removal_generation(), s->generation());  // who followed to "between" looks again
  const auto huge = s->find_name("default", "huge", DocumentKind::text);
  ASSERT_TRUE(huge);
  EXPECT_EQ(huge->tokens, 320);
  EXPECT_EQ(findings(*to), "");
}

TEST(TransferState, AHalfCopyIsForgottenWithItsCounts) {
  const TempFolder a;
  const auto bank = open_writer(a.path());
  const Fingerprint f = small_fingerprint();
  add_text(*bank, "own", 2, 0);
  bank->update([&](Transaction& t) {
    Document original{.name = "talk", .name_space = "default"};
    original.kind = DocumentKind::dialog;
    original.tokens = 4 * 8 + 3;
    original.tail = {1, 2, 3};
    const DocumentId id = t.begin_copy(original);
    for (const int64_t begin : {0, 16}) {
      const testing::SampleChunk chunk(f, static_cast<int>(begin), 8);
      t.copy_chunk(id, {.tokens = 8, .begin = begin}, chunk.ids, chunk.vector, chunk.k, chunk.v);
    }
  });
  EXPECT_EQ(findings(*bank), "");
  EXPECT_EQ(bank->snapshot()->stats().tokens, 16);
  bank->update([&](Transaction& t) { EXPECT_EQ(t.forget(2).tokens, 16); });
  EXPECT_EQ(bank->snapshot()->stats().tokens, 16);
  EXPECT_EQ(findings(*bank), "");
}

TEST(TransferState, BanksWithOtherEmbedderParametersAreNotMixed) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  const auto to = open_writer(b.path());
  add_text(*from, "a", 1);
  from->update([](Transaction& t) { t.set_blob("sif", "one"); });
  to->update([](Transaction& t) { t.set_blob("sif", "two"); });
  const Error error = error_of([&] { copy_documents(*from, *to, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::mismatch);
  EXPECT_THAT(error.what(), HasSubstr("bank " + b.path().string() + " and bank " +
                                      a.path().string() + " have other parameters"));
  EXPECT_EQ(to->snapshot()->stats().documents, 0);
  to->update([](Transaction& t) { t.set_blob("sif", "one"); });
  EXPECT_EQ(copy_documents(*from, *to, {}).documents, 1);
}

TEST(TransferState, ADialogThatWentOnReplacesItsCopy) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  const auto to = open_writer(b.path());
  const DocumentId dialog = add_dialog(*from, "talk", 2, 2);
  EXPECT_EQ(copy_documents(*from, *to, {}).documents, 1);
  EXPECT_EQ(copy_documents(*from, *to, {}).skipped, 1);
  from->update([&](Transaction& t) {
    append(t, dialog, small_fingerprint(), 62);
    t.append_turn(dialog, {"user", "more", 2, 3, 2, 3, 50});
  });
  const TransferResult again = copy_documents(*from, *to, {});
  EXPECT_EQ(again.documents, 1);
  EXPECT_EQ(again.chunks, 3);
  EXPECT_TRUE(again.left_out.empty());
  EXPECT_EQ(content(*to->snapshot()), content(*from->snapshot()));
  EXPECT_EQ(to->snapshot()->stats().chunks, 3);
  EXPECT_EQ(findings(*to), "");
  EXPECT_EQ(copy_documents(*from, *to, {}).skipped, 1);
}

TEST(TransferState, AnotherDialogOfTheSameNameIsNamed) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  const auto to = open_writer(b.path());
  add_text(*from, "text", 1);
  const DocumentId dialog = add_dialog(*from, "talk", 2, 2);
  const DocumentId other = add_dialog(*to, "talk", 1, 1);
  const TransferResult result = copy_documents(*from, *to, {});
  EXPECT_EQ(result.documents, 1);
  EXPECT_EQ(result.skipped, 0);
  ASSERT_EQ(result.left_out.size(), 1U);
  EXPECT_EQ(result.left_out[0].id, dialog);
  EXPECT_EQ(result.left_out[0].name, "talk");
  EXPECT_EQ(result.left_out[0].name_space, "default");
  EXPECT_THAT(result.left_out[0].why,
              HasSubstr("another dialog has this name there (document " + std::to_string(other)));
  EXPECT_EQ(to->snapshot()->turns(other).size(), 1U);
  EXPECT_EQ(to->snapshot()->stats().chunks, 2);
}

TEST(TransferState, ACopyThatWentOnByItselfIsKept) {
  const TempFolder a;
  const TempFolder b;
  const auto from = open_writer(a.path());
  const auto to = open_writer(b.path());
  const DocumentId dialog = add_dialog(*from, "talk", 1, 2);
  copy_documents(*from, *to, {});
  const auto copy = to->snapshot()->find_name("default", "talk", DocumentKind::dialog);
  to->update([&](Transaction& t) { t.append_turn(copy->id, {"user", "here", 2, 3, 2, 3, 50}); });
  from->update([&](Transaction& t) { t.append_turn(dialog, {"user", "there", 2, 3, 2, 3, 60}); });
  const TransferResult result = copy_documents(*from, *to, {});
  ASSERT_EQ(result.left_out.size(), 1U);
  EXPECT_EQ(to->snapshot()->turns(copy->id).back().content, "here");
}

void damage(const std::filesystem::path& folder, std::string_view pattern) {
  std::string bytes = read_file(folder / "data.mdb");
  for (size_t at = bytes.find(pattern); at != std::string::npos; at = bytes.find(pattern, at + 1)) {
    bytes[at] = static_cast<char>(~bytes[at]);
  }
  write_file_atomic(folder / "data.mdb", bytes);
}

TEST(TransferState, ADamagedDocumentIsNamedAndTheOthersAreCopied) {
  const TempFolder a;
  const TempFolder b;
  Fingerprint f = small_fingerprint();
  f.head_dim = 64;
  {
    const auto bank = open_writer(a.path(), f);
    for (int i = 0; i < 4; ++i) add_text(*bank, "text" + std::to_string(i), 4, 10 * i);
  }
  const std::vector<int32_t> ids = testing::SampleChunk(f, 12, 8).ids;  // the third of text1
  damage(a.path(), {reinterpret_cast<const char*>(ids.data()), 32});
  damage(a.path(), std::string("\x05\0\0\0text3", 9));  // in its record of `docs`
  const auto from = open_reader(a.path());
  const auto to = open_writer(b.path(), f);
  const TransferResult result = copy_documents(*from, *to, {});
  EXPECT_EQ(result.documents, 2);
  EXPECT_EQ(result.chunks, 8);
  ASSERT_EQ(result.left_out.size(), 2U);
  EXPECT_EQ(result.left_out[0].id, 4U);
  EXPECT_THAT(result.left_out[0].why, HasSubstr("record 4 of database docs is damaged"));
  EXPECT_EQ(result.left_out[1].id, 2U);
  EXPECT_EQ(result.left_out[1].name, "text1");
  EXPECT_THAT(result.left_out[1].why, HasSubstr("record 7 of database chunks is damaged"));
  EXPECT_EQ(to->snapshot()->stats().chunks, 8);
  EXPECT_FALSE(to->snapshot()->find_name("default", "text1", DocumentKind::text));
  EXPECT_EQ(findings(*to), "");
}

}  // namespace
}  // namespace memlong::membank
