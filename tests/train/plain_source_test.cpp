#include <map>
#include <set>

#include <gmock/gmock.h>

#include "train/error_line.h"
#include "train/make_source.h"
#include "train/same_batch.h"
#include "train/small_corpus.h"

namespace memlong::train {
namespace {

struct Plain {
  explicit Plain(std::vector<CorpusEntry> entries) : corpus(test::corpus_of(std::move(entries))) {
    options.rows = 4;
    options.span = Schedule(8);
  }
  std::unique_ptr<BatchSource> make() {
    return make_source(context, corpus, options, model, nullptr);
  }

  Context context{{.threads = 1}};
  std::shared_ptr<engine::LoadedModel> model = test::text_model();
  std::shared_ptr<const Corpus> corpus;
  DataOptions options;
};

TEST(PlainSource, SpansOfTextAnywhere) {
  Plain plain({test::entry_of(DataKind::text, {test::counted_text(100, 50)})});
  const auto source = plain.make();
  std::set<int32_t> begins;
  std::set<int64_t> positions;
  for (int64_t step = 0; step < 400; ++step) {
    const Batch batch = source->next(step);
    ASSERT_EQ(batch.sequences.size(), 4U);
    EXPECT_TRUE(batch.pasts.empty());
    for (const Sequence& sequence : batch.sequences) {
      ASSERT_EQ(sequence.ids.size(), 8U);
      EXPECT_TRUE(sequence.segments.empty());
      EXPECT_LE(sequence.position + 8, 512);
      begins.insert(sequence.ids.front());
      positions.insert(sequence.position);
      EXPECT_EQ(sequence.targets[7], sequence.ids[7] == 149 ? -1 : sequence.ids[7] + 1);
    }
  }
  EXPECT_EQ(begins.size(), 43U) << "every place from which 8 tokens can be read";
  EXPECT_GT(positions.size(), 450U);
  EXPECT_EQ(*positions.rbegin(), 504);
}

TEST(PlainSource, DialogsFromTheStartOfAMessage) {
  Plain plain({test::entry_of(DataKind::dialogs, {test::counted_dialog(100, 9, 3)})});
  const auto source = plain.make();
  std::set<int32_t> begins;
  for (int64_t step = 0; step < 50; ++step) {
    for (const Sequence& sequence : source->next(step).sequences) {
      EXPECT_EQ(sequence.ids.size(), 8U);
      begins.insert(sequence.ids.front());
    }
  }
  EXPECT_THAT(begins, testing::ElementsAre(100, 103, 106, 109, 112, 115, 118));
}

TEST(PlainSource, ShortDocumentsAreReadWhole) {
  Plain plain(
      {test::entry_of(DataKind::text, {test::counted_text(100, 1), test::counted_text(200, 3)})});
  plain.options.random_position = false;
  const auto source = plain.make();
  for (const Sequence& sequence : source->next(0).sequences) {
    EXPECT_THAT(sequence.ids, testing::ElementsAre(200, 201, 202));
    EXPECT_EQ(sequence.position, 0);
  }
}

TEST(PlainSource, WindowsThatOpenWithBos) {
  Plain plain({test::entry_of(DataKind::text, {test::counted_text(100, 50)})});
  plain.model->settings.window_bos = true;
  for (const Sequence& sequence : plain.make()->next(0).sequences) {
    EXPECT_EQ(sequence.ids.size(), 9U);
    EXPECT_EQ(sequence.ids.front(), plain.model->config.bos);
    EXPECT_LE(sequence.position + 9, 512);
  }
}

TEST(PlainSource, EntriesInProportionToTheirWeights) {
  Plain plain({test::entry_of(DataKind::text, {test::counted_text(100, 20)}, 3.0),
               test::entry_of(DataKind::text, {test::counted_text(1000, 2000)}, 1.0)});
  const auto source = plain.make();
  int first = 0;
  for (int64_t step = 0; step < 1000; ++step) {
    for (const Sequence& sequence : source->next(step).sequences) {
      first += sequence.ids.front() < 1000 ? 1 : 0;
    }
  }
  EXPECT_NEAR(first / 4000.0, 0.75, 0.03);
}

TEST(PlainSource, DependsOnNothingButSeedAndState) {
  Plain plain({test::entry_of(DataKind::text, {test::counted_text(100, 500)}),
               test::entry_of(DataKind::dialogs, {test::counted_dialog(1000, 9, 7)})});
  plain.options.span = Schedule::parse("0:8,3:12");
  test::expect_repeatable([&] { return plain.make(); });
  const Batch one = plain.make()->next(0);
  plain.options.seed = 2;
  EXPECT_FALSE(test::same_batch(one, plain.make()->next(0)));
}

TEST(PlainSource, RefusesOptionsThatCannotBe) {
  Plain plain({test::entry_of(DataKind::text, {test::counted_text(100, 1)})});
  const auto message = [&](ErrorKind kind = ErrorKind::usage) {
    return test::error_line(kind, [&] { plain.make(); });
  };
  EXPECT_EQ(message(ErrorKind::format), "data: holds no text of two tokens");
  plain.options.span = Schedule::parse("0:8,5:513");
  EXPECT_EQ(message(),
            "span 0:8,5:513 must be from 2 to 512 tokens: what a window of the model holds");
  plain.options.span = Schedule(1);
  EXPECT_EQ(message(), "span 1 must be from 2 to 512 tokens: what a window of the model holds");
  plain.options.no_memory = Schedule(1.5);
  EXPECT_EQ(message(), "no_memory is a share from 0 to 1");
  plain.options.weights.user = -1.0;
  EXPECT_EQ(message(), "token weights must be 0 or more");
  plain.options.rows = 0;
  EXPECT_EQ(message(), "a batch needs at least one row");
  plain.options = {};
  plain.corpus = test::corpus_of({});
  EXPECT_EQ(message(), "there are no data to train on");
}

}  // namespace
}  // namespace memlong::train
