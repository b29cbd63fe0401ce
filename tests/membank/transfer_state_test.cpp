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

TEST(TransferState, ADamagedDocumentIsNamedAndTheOthersAreCopied) {
  const TempFolder a;
  const TempFolder b;
  Fingerprint f = small_fingerprint();
  f.head_dim = 64;
  for (int i = 0; i < 3; ++i)
    add_text(*open_writer(a.path(), f), "text" + std::to_string(i), 4, 10 * i);
  std::string bytes = read_file(a.path() / "data.mdb");
  const std::vector<int32_t> ids = testing::SampleChunk(f, 12, 8).ids;  // the third of text1
  const std::string_view pattern{reinterpret_cast<const char*>(ids.data()), 32};
  for (size_t at = bytes.find(pattern); at != std::string::npos; at = bytes.find(pattern, at + 1)) {
    bytes[at] = static_cast<char>(~bytes[at]);
  }
  write_file_atomic(a.path() / "data.mdb", bytes);
  const auto from = open_reader(a.path());
  const auto to = open_writer(b.path(), f);
  const TransferResult result = copy_documents(*from, *to, {});
  EXPECT_EQ(result.documents, 2);
  EXPECT_EQ(result.chunks, 8);
  ASSERT_EQ(result.left_out.size(), 1U);
  EXPECT_EQ(result.left_out[0].id, 2U);
  EXPECT_EQ(result.left_out[0].name, "text1");
  EXPECT_THAT(result.left_out[0].why, HasSubstr("record 7 of database chunks is damaged"));
  EXPECT_EQ(to->snapshot()->stats().chunks, 8);
  EXPECT_FALSE(to->snapshot()->find_name("default", "text1", DocumentKind::text));
  EXPECT_EQ(findings(*to), "");
}

}  // namespace
}  // namespace memlong::membank
