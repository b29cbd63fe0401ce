#include "membank/bank.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using testing::append;
using testing::holds;
using testing::open_reader;
using testing::open_writer;
using testing::SampleChunk;
using testing::small_fingerprint;
using testing::TempFolder;

template <class Fn>
Error error_of(const Fn& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

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

}  // namespace
}  // namespace memlong::membank
