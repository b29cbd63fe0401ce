#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "train/error_line.h"
#include "train/make_source.h"
#include "train/same_batch.h"
#include "train/small_corpus.h"

namespace memlong::train {
namespace {

using testing::ElementsAre;

struct Pairs {
  explicit Pairs(std::vector<CorpusEntry> entries) : corpus(test::corpus_of(std::move(entries))) {
    options.form = ItemForm::pairs;
    options.rows = 4;
    options.span = Schedule(8);
    options.past = Schedule(6);
  }
  std::unique_ptr<BatchSource> make() {
    return make_source(context, corpus, options, model, nullptr);
  }

  Context context{{.threads = 1}};
  std::shared_ptr<engine::LoadedModel> model = test::text_model();
  std::shared_ptr<const Corpus> corpus;
  DataOptions options;
};

/// Ten turns of four tokens, cut at the sixth; the documents' tokens begin at 1000, 2000 ...
Document dialog(int32_t number, std::vector<std::string> topics = {}) {
  Document document = test::counted_dialog(number * 1000, 10, 4);
  document.later = 24;
  document.answers = {{.begin = 29, .end = 32, .kind = AnswerKind::told, .fact = 20},
                      {.begin = 37, .end = 40, .kind = AnswerKind::told, .fact = 16}};
  document.topics = std::move(topics);
  return document;
}

std::vector<Document> dialogs(int32_t count) {
  std::vector<Document> documents;
  for (int32_t i = 1; i <= count; ++i) documents.push_back(dialog(i));
  return documents;
}

int32_t document_of(const std::vector<int32_t>& ids) { return ids.back() / 1000; }

TEST(PairsSource, DialogsAreCutAtTheLaterPart) {
  Pairs pairs({test::entry_of(DataKind::dialogs, dialogs(4))});
  pairs.options.span = Schedule(20);
  const Batch batch = pairs.make()->next(0);
  ASSERT_EQ(batch.pasts.size(), 4U);
  ASSERT_EQ(batch.sequences.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    const int32_t base = document_of(batch.pasts[i].ids) * 1000;
    EXPECT_THAT(batch.pasts[i].ids,
                ElementsAre(base + 18, base + 19, base + 20, base + 21, base + 22, base + 23));
    const Sequence& sequence = batch.sequences[i];
    EXPECT_EQ(sequence.ids.size(), 16U);
    EXPECT_EQ(sequence.ids.front(), base + 24);
    EXPECT_EQ(sequence.ids.back(), base + 39);
    ASSERT_EQ(sequence.segments.size(), 1U);
    EXPECT_EQ(sequence.segments[0].begin, 0);
    EXPECT_EQ(sequence.segments[0].end, 16);
    ASSERT_EQ(sequence.segments[0].parts.size(), 1U);
    EXPECT_EQ(sequence.segments[0].parts[0].past, static_cast<int64_t>(i));
    EXPECT_EQ(sequence.segments[0].parts[0].begin, 0);
    EXPECT_EQ(sequence.segments[0].parts[0].end, 6);
    // The fact at 16 was cut off with the start of the past: nobody can know it.
    ASSERT_EQ(sequence.answers.size(), 1U);
    EXPECT_EQ(sequence.answers[0].begin, 4);
    EXPECT_EQ(sequence.answers[0].end, 7);
    EXPECT_EQ(sequence.weights[12], 0.0F);
    EXPECT_EQ(sequence.weights[11], 1.0F);
  }
}

TEST(PairsSource, DialogsWithoutALaterPartAreCutBeforeAMessageOfTheUser) {
  Document document = dialog(1);
  document.later = -1;
  Pairs pairs({test::entry_of(DataKind::dialogs, {document})});
  pairs.options.rows = 1;
  const auto source = pairs.make();
  std::set<int32_t> begins;
  for (int64_t step = 0; step < 60; ++step) {
    const Batch batch = source->next(step);
    begins.insert(batch.sequences[0].ids.front());
    EXPECT_EQ(batch.pasts[0].ids.back() + 1, batch.sequences[0].ids.front());
  }
  EXPECT_THAT(begins, ElementsAre(1008, 1016, 1024, 1032));
}

TEST(PairsSource, TextHasAGapOfChance) {
  Pairs pairs({test::entry_of(DataKind::text, {test::counted_text(1000, 60)})});
  pairs.options.gap = Schedule(5);
  const auto source = pairs.make();
  std::set<int32_t> gaps;
  std::set<int32_t> begins;
  for (int64_t step = 0; step < 200; ++step) {
    const Batch batch = source->next(step);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(batch.pasts[i].ids.size(), 6U);
      EXPECT_EQ(batch.sequences[i].ids.size(), 8U);
      begins.insert(batch.pasts[i].ids.front());
      gaps.insert(batch.sequences[i].ids.front() - batch.pasts[i].ids.back() - 1);
    }
  }
  EXPECT_THAT(gaps, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(begins.size(), 47U);
}

TEST(PairsSource, ShortTextsAreShared) {
  Pairs pairs({test::entry_of(DataKind::text, {test::counted_text(1000, 9)})});
  pairs.options.gap = Schedule(100);
  const Batch batch = pairs.make()->next(0);
  EXPECT_EQ(batch.pasts[0].ids.size(), 4U);
  EXPECT_EQ(batch.sequences[0].ids.size(), 5U);
}

TEST(PairsSource, BosOpensPastAndSpanAndIsNoMemory) {
  Pairs pairs({test::entry_of(DataKind::dialogs, dialogs(4))});
  pairs.model->settings.window_bos = true;
  const Batch batch = pairs.make()->next(0);
  EXPECT_EQ(batch.pasts[0].ids.size(), 7U);
  EXPECT_EQ(batch.pasts[0].ids.front(), pairs.model->config.bos);
  EXPECT_EQ(batch.sequences[0].ids.size(), 9U);
  EXPECT_EQ(batch.sequences[0].ids.front(), pairs.model->config.bos);
  EXPECT_EQ(batch.sequences[0].segments[0].end, 9);
  EXPECT_EQ(batch.sequences[0].segments[0].parts[0].begin, 1);
  EXPECT_EQ(batch.sequences[0].segments[0].parts[0].end, 7);
}

TEST(PairsSource, DistractorsAreDistinctPastsOfOtherDocuments) {
  Pairs pairs({test::entry_of(DataKind::dialogs, dialogs(3))});
  pairs.options.rows = 8;  // more than there are documents: some come twice
  pairs.options.distractors = Schedule::parse("0:0,5:2,10:7");
  const auto source = pairs.make();
  std::map<size_t, int> sizes;
  for (int64_t step = 0; step < 40; ++step) {
    const Batch batch = source->next(step);
    for (size_t i = 0; i < 8; ++i) {
      const auto& parts = batch.sequences[i].segments.at(0).parts;
      std::vector<int64_t> pasts;
      for (const MemoryPart& part : parts) {
        pasts.push_back(part.past);
        const bool own = part.past == static_cast<int64_t>(i);
        const auto& ids = batch.pasts[static_cast<size_t>(part.past)].ids;
        EXPECT_EQ(own, document_of(ids) == document_of(batch.sequences[i].ids));
      }
      EXPECT_TRUE(std::is_sorted(pasts.begin(), pasts.end()));
      EXPECT_EQ(std::set<int64_t>(pasts.begin(), pasts.end()).size(), pasts.size());
      EXPECT_EQ(std::count(pasts.begin(), pasts.end(), static_cast<int64_t>(i)), 1);
      const size_t least = step < 5 ? 1 : step < 10 ? 3 : 5;  // at last all of other documents
      const size_t most = step < 5 ? 1 : step < 10 ? 3 : 7;
      EXPECT_GE(parts.size(), least);
      EXPECT_LE(parts.size(), most);
    }
  }
}

TEST(PairsSource, NoTwoItemsOfABatchShareATopicWhereThatCanBe) {
  std::vector<Document> documents;
  for (int32_t i = 0; i < 12; ++i) {
    documents.push_back(dialog(i + 1, {"topic " + std::to_string(i % 6)}));
  }
  Pairs pairs({test::entry_of(DataKind::dialogs, documents)});
  const auto source = pairs.make();
  std::map<int32_t, int> seen;
  for (int64_t step = 0; step < 60; ++step) {
    const Batch batch = source->next(step);
    std::set<int32_t> topics;
    for (const Past& past : batch.pasts) {
      topics.insert((document_of(past.ids) - 1) % 6);
      ++seen[document_of(past.ids)];
    }
    EXPECT_EQ(topics.size(), 4U) << step;
  }
  ASSERT_EQ(seen.size(), 12U);
  for (const auto& [document, count] : seen) EXPECT_NEAR(count, 20, 3) << document;
}

TEST(PairsSource, WhatSharesATopicIsNoDistractor) {
  Pairs pairs({test::entry_of(
      DataKind::dialogs, {dialog(1, {"cat", "dog"}), dialog(2, {"dog"}), dialog(3, {"cow"})})});
  pairs.options.rows = 3;
  pairs.options.distractors = Schedule(2);
  const auto source = pairs.make();
  for (int64_t step = 0; step < 20; ++step) {
    const Batch batch = source->next(step);
    for (size_t i = 0; i < 3; ++i) {
      std::set<int32_t> read;
      for (const MemoryPart& part : batch.sequences[i].segments[0].parts) {
        read.insert(document_of(batch.pasts[static_cast<size_t>(part.past)].ids));
      }
      EXPECT_FALSE(read.contains(1) && read.contains(2) &&
                   document_of(batch.sequences[i].ids) != 3);
      EXPECT_EQ(read.size(), document_of(batch.sequences[i].ids) == 3 ? 3U : 2U);
    }
  }
}

TEST(PairsSource, SomeItemsReadNothingAndTheirAnswersAreNotCounted) {
  Pairs pairs({test::entry_of(DataKind::dialogs, dialogs(5))});
  pairs.options.no_memory = Schedule(0.25);
  const auto source = pairs.make();
  int without = 0;
  for (int64_t step = 0; step < 500; ++step) {
    const Batch batch = source->next(step);
    EXPECT_EQ(batch.pasts.size(), 4U);
    for (const Sequence& sequence : batch.sequences) {
      without += sequence.segments.empty() ? 1 : 0;
      EXPECT_EQ(sequence.answers.empty(), sequence.segments.empty());
    }
  }
  EXPECT_NEAR(without / 2000.0, 0.25, 0.03);
}

TEST(PairsSource, EachDialogOnceBeforeAnyComesAgain) {
  Pairs pairs({test::entry_of(DataKind::dialogs, dialogs(20))});
  const auto source = pairs.make();
  std::set<int32_t> seen;
  for (int64_t step = 0; step < 5; ++step) {
    for (const Past& past : source->next(step).pasts) seen.insert(document_of(past.ids));
  }
  EXPECT_EQ(seen.size(), 20U);
}

TEST(PairsSource, DependsOnNothingButSeedAndState) {
  std::vector<Document> documents;
  for (int32_t i = 0; i < 9; ++i) documents.push_back(dialog(i + 1, {i % 2 == 0 ? "even" : "odd"}));
  Pairs pairs({test::entry_of(DataKind::dialogs, documents),
               test::entry_of(DataKind::text, {test::counted_text(20000, 500)}, 0.5)});
  pairs.options.distractors = Schedule::parse("0:0,4:1,8:3");
  pairs.options.no_memory = Schedule(0.1);
  pairs.options.gap = Schedule(9);
  test::expect_repeatable([&] { return pairs.make(); });
}

TEST(PairsSource, RefusesWhatCannotBe) {
  Document one = test::counted_dialog(1, 2, 4);
  Pairs pairs({test::entry_of(DataKind::dialogs, {one})});
  EXPECT_EQ(test::error_line(ErrorKind::format, [&] { pairs.make(); }),
            "data: holds no document that can be cut into a past and a later part");
  pairs.options.past = Schedule(600);
  EXPECT_EQ(test::error_line(ErrorKind::usage, [&] { pairs.make(); }),
            "past 600 must be from 1 to 512 tokens: what a window of the model holds");
}

}  // namespace
}  // namespace memlong::train
