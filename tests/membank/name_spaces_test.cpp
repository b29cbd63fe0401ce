// Many namespaces, and documents by namespace.
#include <array>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "membank/bank_fixture.h"
#include "membank/child_process.h"

namespace memlong::membank {
namespace {

using testing::add_text;
using ::testing::ElementsAre;
using testing::error_of;
using testing::in_child;
using testing::named;
using testing::open_reader;
using testing::open_writer;
using testing::TempFolder;
using ::testing::UnorderedElementsAre;
using testing::wait_for;

TEST(NameSpaces, NumbersAndNamesFindEachOther) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const DocumentId a = add_text(*bank, "a", 1, 0, "one");
  const DocumentId b = add_text(*bank, "b", 1, 10, "two");
  const auto before = bank->snapshot();
  const DocumentId c = add_text(*bank, "c", 1, 20, "one");
  const auto s = bank->snapshot();
  EXPECT_EQ(s->document(a)->name_space, "one");
  EXPECT_EQ(s->document(b)->name_space, "two");
  EXPECT_EQ(s->document(c)->name_space, "one");
  EXPECT_EQ(s->name_space_name(2), "two");
  EXPECT_EQ(s->name_space_name(3), "");
  EXPECT_EQ(s->name_space_name(0), "");
  EXPECT_FALSE(s->find_name("three", "a", DocumentKind::text));
  EXPECT_FALSE(s->find_name(std::string(600, 'x'), "a", DocumentKind::text));
}

TEST(NameSpaces, AReaderLearnsThoseThatAnotherProcessMakes) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  add_text(*bank, "a", 1, 0, "one");
  std::array<int, 2> open{};
  std::array<int, 2> made{};
  ASSERT_EQ(::pipe(open.data()) + ::pipe(made.data()), 0);
  const pid_t reading = in_child([&] {
    const auto reader = open_reader(folder.path());
    const auto old = reader->snapshot();
    bool good = old->documents().at(0).name_space == "one";
    char byte = 0;
    good = good && ::write(open[1], &byte, 1) == 1 && ::read(made[0], &byte, 1) == 1;
    good = good && reader->snapshot()->documents().at(1).name_space == "two";
    return good && old->name_space_name(2).empty() ? 0 : 1;
  });
  char byte = 0;
  ASSERT_EQ(::read(open[0], &byte, 1), 1);
  add_text(*bank, "b", 1, 10, "two");
  ASSERT_EQ(::write(made[1], &byte, 1), 1);
  EXPECT_EQ(wait_for(reading), 0);
}

TEST(NameSpaces, WhatWasNotCommittedIsNotKnown) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const auto make = [](Transaction& t, const std::string& space) {
    NewDocument document = named("a");
    document.name_space = space;
    const DocumentId id = t.create_document(document);
    EXPECT_EQ(t.document(id)->name_space, space);
    EXPECT_EQ(t.name_space_name(1), space);
    return id;
  };
  EXPECT_EQ(error_of([&] {
              bank->update([&](Transaction& t) {
                make(t, "lost");
                fail(ErrorKind::io, "stop");
              });
            }).kind(),
            ErrorKind::io);
  DocumentId id = 0;
  bank->update([&](Transaction& t) { id = make(t, "kept"); });
  EXPECT_EQ(bank->snapshot()->document(id)->name_space, "kept");
  EXPECT_EQ(bank->snapshot()->name_space_name(1), "kept");
}

TEST(NameSpaces, DocumentsOfOneAndOfAKind) {
  const TempFolder folder;
  const auto bank = open_writer(folder.path());
  const DocumentId a = add_text(*bank, "a", 1, 0, "one");
  const DocumentId b = add_text(*bank, "b", 1, 10, "one");
  add_text(*bank, "a", 1, 20, "two");
  DocumentId talk = 0;
  bank->update([&](Transaction& t) {
    NewDocument document = named("talk", DocumentKind::dialog);
    document.name_space = "one";
    talk = t.create_document(document);
  });
  const auto s = bank->snapshot();
  EXPECT_THAT(s->documents_of("one", DocumentKind::text), UnorderedElementsAre(a, b));
  EXPECT_THAT(s->documents_of("one", DocumentKind::dialog), ElementsAre(talk));
  EXPECT_THAT(s->documents_of("two", DocumentKind::dialog), ElementsAre());
  EXPECT_THAT(s->documents_of("three", DocumentKind::text), ElementsAre());
}

}  // namespace
}  // namespace memlong::membank
