#include "train/batch_extent.h"

#include <gtest/gtest.h>

#include "train/network_fixture.h"
#include "train/small_corpus.h"
#include "train/stream_row.h"

namespace memlong::train {
namespace {

/// Says nothing but that there is something to say.
class OneEmbedder : public retriever::Embedder {
 public:
  [[nodiscard]] std::string name() const override { return "one"; }
  [[nodiscard]] int64_t dim() const override { return 1; }
  [[nodiscard]] bool needs_hidden() const override { return false; }
  void embed(std::span<const int32_t> /*ids*/, const TensorView& /*hidden*/,
             std::span<float> out) const override {
    out[0] = 1.0F;
  }
};

/// The most chunks that the points of one window may read, window by window.
int64_t most_chunks(const std::shared_ptr<engine::LoadedModel>& model, const Document& document) {
  StreamRow row(model, std::make_shared<OneEmbedder>(), 0);
  row.begin({}, document, 0, document.size());
  int64_t most = 0;
  do {
    int64_t chunks = 0;
    for (const RetrievalPoint& point : row.points()) {
      chunks += point.as_text ? model->settings.set_chunks() : model->settings.top_k;
    }
    most = std::max(most, chunks);
  } while (row.advance());
  return most;
}

TEST(BatchExtent, ABatchIsAsLargeAsItsSourceMakesIt) {
  Document text;
  text.ids = small_ids(300, 1);
  const auto corpus = test::corpus_of({test::entry_of(DataKind::text, {text})});
  const model::MemorySettings settings = small_settings();
  DataOptions data;
  data.rows = 3;
  data.span = Schedule(20);
  data.past = Schedule(100);  // more than a window
  BatchExtent extent = batch_extent(data, settings, *corpus);
  EXPECT_EQ(extent.rows, 60);
  EXPECT_EQ(extent.pasts, 0);
  EXPECT_EQ(extent.memory, 0);
  data.form = ItemForm::pairs;
  data.distractors = Schedule(2);
  extent = batch_extent(data, settings, *corpus);
  EXPECT_EQ(extent.pasts, 3 * 64);
  EXPECT_EQ(extent.memory, 3 * 3 * 64);
  data.form = ItemForm::streams;
  extent = batch_extent(data, settings, *corpus);
  EXPECT_EQ(extent.rows, 3 * 64);
  EXPECT_EQ(extent.memory, 3 * 17 * settings.top_k * 4);
  EXPECT_EQ(extent.kept, 3 * 300);
  data.stretch = 200;
  EXPECT_EQ(batch_extent(data, settings, *corpus).kept, 3 * 200);
  data.memory_chunks = Schedule(10);
  EXPECT_EQ(batch_extent(data, settings, *corpus).kept, 3 * (40 + 64));
}

TEST(BatchExtent, EveryAnsweredMessageOfADialogReadsASet) {
  const auto model = std::make_shared<engine::LoadedModel>();
  model->config = small_config();
  model->settings = small_settings();
  model->settings.top_k = 3;
  model->settings.recent_chunks = 2;
  DataOptions data;
  data.form = ItemForm::streams;
  data.rows = 2;
  for (const int64_t length : {1, 2, 3, 7, 30}) {
    for (const bool bos : {false, true}) {
      model->settings.window_bos = bos;
      const Document dialog = test::counted_dialog(0, 300 / length, length);
      const auto corpus = test::corpus_of({test::entry_of(DataKind::dialogs, {dialog})});
      EXPECT_EQ(batch_extent(data, model->settings, *corpus).memory,
                2 * 4 * most_chunks(model, dialog))
          << length;
    }
  }
  // Two tokens a message: 16 messages in a window of 64 tokens, not 17 chunks of four.
  const auto corpus =
      test::corpus_of({test::entry_of(DataKind::dialogs, {test::counted_dialog(0, 300, 1)})});
  EXPECT_GT(batch_extent(data, model->settings, *corpus).memory, 2 * 4 * 31 * 3);
}

TEST(BatchExtent, EvaluationsKeepWhatTheyWalked) {
  const auto corpus =
      test::corpus_of({test::entry_of(DataKind::text, {test::counted_text(0, 1000)})});
  DataOptions data;
  data.form = ItemForm::streams;
  data.rows = 2;
  const BatchExtent training = batch_extent(data, small_settings(), *corpus);
  const BatchExtent evaluation = batch_extent(data, small_settings(), *corpus, 3);
  EXPECT_EQ(training.kept, 2 * 1000);
  EXPECT_EQ(evaluation.kept, 2 * 3 * 64);
  const BatchExtent both = beside(training, evaluation);
  EXPECT_EQ(both.kept, training.kept + evaluation.kept);
  EXPECT_EQ(both.rows, training.rows);
  EXPECT_EQ(both.memory, training.memory);
}

}  // namespace
}  // namespace memlong::train
