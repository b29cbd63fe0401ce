#include "membank/bank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "membank/bank_fixture.h"

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
using testing::SampleChunk;
using testing::small_fingerprint;
using testing::TempFolder;

TEST(Bank, WhatWentInComesOutAfterReopening) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  DocumentId id = 0;
  {
    const auto bank = open_writer(folder.path());
    bank->update([&](Transaction& t) {
      NewDocument document;
      document.name = "moby.txt";
      document.name_space = "books";
      document.content_hash = sha256("call me");
      document.created = 77;
      id = t.create_document(document);
      append(t, id, f, 1);
      append(t, id, f, 2);
      append(t, id, f, 3, 5);
      t.append_text(id, "call me ");
      t.append_text(id, "Ishmael");
      t.finish_document(id);
      EXPECT_EQ(t.document(id)->chunks, 3);  // sees its own changes
    });
  }
  const auto bank = open_reader(folder.path());
  EXPECT_EQ(bank->fingerprint(), f);
  EXPECT_FALSE(bank->writable());
  const auto s = bank->snapshot();
  const auto document = s->find_text("books", sha256("call me"));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->id, id);
  EXPECT_EQ(document->name, "moby.txt");
  EXPECT_EQ(document->name_space, "books");
  EXPECT_TRUE(document->complete);
  EXPECT_EQ(document->tokens, 21);
  EXPECT_EQ(document->chunks, 3);
  EXPECT_EQ(document->text_bytes, 15);
  EXPECT_EQ(document->created, 77);
  EXPECT_EQ(s->text(id), "call me Ishmael");
  const auto chunks = s->document_chunks(id);
  ASSERT_EQ(chunks.size(), 3U);
  EXPECT_EQ(chunks[2].begin, 16);
  EXPECT_EQ(chunks[2].tokens, 5);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(holds(*s, f, chunks[static_cast<size_t>(i)].id, i + 1));
  EXPECT_EQ(s->stats().tokens, 21);
  EXPECT_EQ(s->stats().documents, 1);
  EXPECT_EQ(s->generation(), 1U);
  EXPECT_FALSE(s->find_text("default", sha256("call me")));
  EXPECT_FALSE(s->chunk(99));
}

TEST(Bank, IsNotMadeByAccident) {
  const TempFolder folder;
  const Error reading = error_of([&] { open_reader(folder.path() / "none"); });
  EXPECT_EQ(reading.kind(), ErrorKind::usage);
  EXPECT_THAT(reading.what(), HasSubstr("there is no bank in"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "none"));
  const Error nameless = error_of(
      [&] { Bank::open(folder.path(), {.mode = OpenMode::write, .fingerprint = std::nullopt}); });
  EXPECT_EQ(nameless.kind(), ErrorKind::usage);
  EXPECT_FALSE(Bank::exists(folder.path()));
  open_writer(folder.path());
  EXPECT_TRUE(Bank::exists(folder.path()));
}

TEST(Bank, RefusesAnotherFingerprintByFieldAndValues) {
  const TempFolder folder;
  open_writer(folder.path());
  Fingerprint other = small_fingerprint();
  other.memory_layer = 5;
  const Error layer = error_of([&] { open_writer(folder.path(), other); });
  EXPECT_EQ(layer.kind(), ErrorKind::mismatch);
  EXPECT_THAT(layer.what(), HasSubstr("has memory_layer 2, this model has 5"));
  other = small_fingerprint();
  other.writer = "w1";
  EXPECT_THAT(error_of([&] { open_writer(folder.path(), other); }).what(),
              HasSubstr("has writer w0, this model has w1"));
  EXPECT_NE(other.digest(), small_fingerprint().digest());
  EXPECT_NO_THROW(open_writer(folder.path()));
}

TEST(Bank, AnInterruptedTextIsFoundWhereItStopped) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  const auto bank = open_writer(folder.path());
  bank->update([&](Transaction& t) {
    NewDocument document;
    document.name = "half";
    document.content_hash = sha256("half");
    append(t, t.create_document(document), f, 1);
  });
  const auto found = bank->snapshot()->find_text("default", sha256("half"));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->complete);
  EXPECT_EQ(found->tokens, 8);
  bank->update([&](Transaction& t) {
    append(t, found->id, f, 2, 3);
    t.finish_document(found->id);
  });
  EXPECT_EQ(bank->snapshot()->document(found->id)->tokens, 11);
  EXPECT_EQ(findings(*bank), "");
}

TEST(Bank, ADialogKeepsTurnsSettingsAndItsUnfinishedChunk) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  DocumentId id = 0;
  {
    const auto bank = open_writer(folder.path());
    bank->update([&](Transaction& t) {
      NewDocument document;
      document.name = "evening";
      document.kind = DocumentKind::dialog;
      id = t.create_document(document);
      t.append_turn(id, {"user", "Who?", 0, 6, 2, 5, 11});
      t.append_turn(id, {"assistant", "Ishmael.", 6, 11, 8, 10, 12});
      t.set_tail(id, std::vector<int32_t>{1, 2, 3, 4, 5});
      append(t, id, f, 7);
      t.set_tail(id, std::vector<int32_t>{9, 10, 11});
      t.set_settings(id, R"({"template":"plain"})");
    });
  }
  const auto bank = open_reader(folder.path());
  const auto s = bank->snapshot();
  const auto document = s->find_name("default", "evening", DocumentKind::dialog);
  ASSERT_TRUE(document);
  EXPECT_EQ(document->tokens, 11);
  EXPECT_EQ(document->tail, (std::vector<int32_t>{9, 10, 11}));
  EXPECT_EQ(document->settings, R"({"template":"plain"})");
  EXPECT_FALSE(document->complete);
  const auto turns = s->turns(id);
  ASSERT_EQ(turns.size(), 2U);
  EXPECT_EQ(turns[1].role, "assistant");
  EXPECT_EQ(turns[1].content, "Ishmael.");
  EXPECT_EQ(turns[1].begin, 6);
  EXPECT_EQ(turns[1].content_end, 10);
  EXPECT_EQ(turns[1].time, 12);
  EXPECT_EQ(s->text(id), "user: Who?\nassistant: Ishmael.\n");
  EXPECT_FALSE(s->find_name("default", "evening", DocumentKind::text));
  EXPECT_EQ(findings(*bank), "");
}

TEST(Bank, TheNewestOfSeveralWithOneNameIsFound) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  add_text(*bank, "a", 1, 0);
  const DocumentId second = add_text(*bank, "a", 1, 50);
  add_text(*bank, "a", 1, 90, "elsewhere");
  const auto s = bank->snapshot();
  EXPECT_EQ(s->find_name("default", "a", DocumentKind::text)->id, second);
  EXPECT_EQ(s->name_spaces().size(), 2U);
  EXPECT_EQ(s->documents().size(), 3U);
  EXPECT_EQ(s->documents()[2].name_space, "elsewhere");
  EXPECT_EQ(s->chunk(3)->name_space_id, s->name_spaces().at("elsewhere"));
}

TEST(Bank, LongTextsKeepEveryByte) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  std::string text;
  while (text.size() < 100'000) text += std::to_string(text.size()) + " ";
  DocumentId id = 0;
  bank->update([&](Transaction& t) { id = t.create_document(testing::named("long")); });
  for (size_t at = 0; at < text.size(); at += 7001) {
    bank->update([&](Transaction& t) { t.append_text(id, text.substr(at, 7001)); });
  }
  EXPECT_EQ(bank->snapshot()->text(id), text);
  EXPECT_EQ(findings(*bank), "");
}

TEST(Bank, AFailedUpdateLeavesNothing) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const auto failing = [&] {
    bank->update([&](Transaction& t) {
      append(t, t.create_document(testing::named("x")), small_fingerprint(), 1);
      fail(ErrorKind::stopped, "enough");
    });
  };
  EXPECT_EQ(error_of(failing).kind(), ErrorKind::stopped);
  EXPECT_EQ(bank->snapshot()->stats().chunks, 0);
  EXPECT_EQ(bank->snapshot()->generation(), 0U);
  EXPECT_EQ(add_text(*bank, "y", 1), 1U);
  EXPECT_EQ(
      error_of([&] { bank->update([&](Transaction&) { bank->update([](auto&) {}); }); }).kind(),
      ErrorKind::internal);
}

TEST(Bank, ReadOnlyBanksRefuseToWrite) {
  const TempFolder folder;
  open_writer(folder.path());
  const auto bank = open_reader(folder.path());
  EXPECT_EQ(error_of([&] { bank->update([](Transaction&) {}); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { bank->compact(); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { open_reader(folder.path()); }).kind(), ErrorKind::busy);  // open already
}

TEST(Bank, OddChunksAreRefused) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  const auto bank = open_writer(folder.path());
  const DocumentId id = add_text(*bank, "a", 1);
  const auto put = [&](SampleChunk c) {
    return error_of([&] {
             bank->update([&](Transaction& t) { t.append_chunk(id, c.ids, c.vector, c.k, c.v); });
           })
        .kind();
  };
  EXPECT_EQ(put(SampleChunk(f, 1, 9)), ErrorKind::internal);  // longer than tau
  SampleChunk huge(f, 1, 8);
  huge.vector[3] = 70000.0F;
  EXPECT_EQ(put(std::move(huge)), ErrorKind::usage);
  SampleChunk odd(f, 1, 8);
  odd.k = Tensor({f.kv_heads, 7, f.head_dim}, DType::f32);
  EXPECT_EQ(put(std::move(odd)), ErrorKind::internal);
  bank->update([&](Transaction& t) { append(t, id, f, 1, 3); });
  EXPECT_EQ(put(SampleChunk(f, 1, 8)), ErrorKind::internal);  // behind a short one
  EXPECT_EQ(bank->snapshot()->stats().chunks, 2);
}

TEST(Bank, AChunkIsNeverWrittenOverAnother) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  const auto bank = open_writer(folder.path());
  const SampleChunk c(f, 1, f.chunk_tokens);
  DocumentId id = 0;
  const Error error = error_of([&] {
    bank->update([&](Transaction& t) {
      Document original{.name = "a", .name_space = "default"};
      original.tokens = 16;
      id = t.begin_copy(original);
      const ChunkInfo place{.tokens = 8, .begin = 8};
      t.copy_chunk(id, place, c.ids, c.vector, c.k, c.v);
      t.copy_chunk(id, place, c.ids, c.vector, c.k, c.v);
    });
  });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_EQ(std::string(error.what()),
            "document 1 has a chunk at token 8 already; memlong-bank "
            "verify lists all that is wrong");
  // A document that counts fewer tokens than its chunks hold.
  bank->update([&](Transaction& t) {
    Document original{.name = "a", .name_space = "default"};
    original.kind = DocumentKind::dialog;
    id = t.begin_copy(original);
    t.copy_chunk(id, {.tokens = 8, .begin = 0}, c.ids, c.vector, c.k, c.v);
    t.finish_copy(id, original);
  });
  EXPECT_EQ(error_of([&] { bank->update([&](Transaction& t) { append(t, id, f, 2); }); }).kind(),
            ErrorKind::corrupt);
  EXPECT_TRUE(holds(*bank->snapshot(), f, bank->snapshot()->last_chunk(), 1));
}

TEST(Bank, BlobsAndTheirKeys) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const std::string big(200'000, 'b');
  bank->update([&](Transaction& t) {
    t.set_blob("sif", big);
    t.set_blob("a", "1");
    EXPECT_EQ(t.blob("a"), "1");
  });
  bank->update([&](Transaction& t) { t.set_blob("a", "2"); });
  const auto s = bank->snapshot();
  EXPECT_EQ(s->blob("sif"), big);
  EXPECT_EQ(s->blob("a"), "2");
  EXPECT_EQ(s->blob("b"), "");
  EXPECT_EQ(s->blob_keys(), (std::vector<std::string>{"a", "sif"}));
}

TEST(Bank, WalksChunksAndVectorsInOrder) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  const auto bank = open_writer(folder.path());
  add_text(*bank, "a", 700, 0);
  const auto s = bank->snapshot();
  std::vector<ChunkId> ids;
  s->for_each_chunk(100, [&](const ChunkInfo& info) {
    ids.push_back(info.id);
    EXPECT_EQ(s->chunk_tokens(info.id).size(), 8U);  // the snapshot may be used inside
  });
  ASSERT_EQ(ids.size(), 600U);
  EXPECT_EQ(ids.front(), 101U);
  EXPECT_EQ(ids.back(), 700U);
  ChunkId expected = 691;
  s->for_each_vector(690, [&](ChunkId id, std::span<const float> vector) {
    EXPECT_EQ(id, expected++);
    EXPECT_EQ(vector[5], SampleChunk(f, static_cast<int>(id) - 1, 8).vector[5]);
  });
  EXPECT_EQ(expected, 701U);
}

}  // namespace
}  // namespace memlong::membank
