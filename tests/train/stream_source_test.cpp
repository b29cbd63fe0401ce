#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "engine/stream.h"
#include "train/error_line.h"
#include "train/make_source.h"
#include "train/network_fixture.h"
#include "train/same_batch.h"
#include "train/small_corpus.h"

namespace memlong::train {
namespace {

using testing::ElementsAre;

/// Counts ids modulo 16.
class CountEmbedder : public retriever::Embedder {
 public:
  explicit CountEmbedder(bool hidden = false) : hidden_(hidden) {}
  [[nodiscard]] std::string name() const override { return "count"; }
  [[nodiscard]] int64_t dim() const override { return 16; }
  [[nodiscard]] bool needs_hidden() const override { return hidden_; }
  void embed(std::span<const int32_t> ids, const TensorView& /*hidden*/,
             std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0F);
    for (const int32_t id : ids) out[static_cast<size_t>(id % 16)] += 1.0F;
    float square = 0.0F;
    for (const float value : out) square += value * value;
    for (float& value : out) value /= std::sqrt(square);
  }

 private:
  bool hidden_;
};

Document random_text(int64_t size, uint64_t seed) {
  Document document;
  document.ids = small_ids(size, seed);
  return document;
}

std::string key_of(const Tensor& k) {
  return {static_cast<const char*>(k.view().raw()), k.bytes()};
}

/// Streams over the small network: windows of 64, of which 16 overlap; chunks of 4.
struct Streams {
  explicit Streams(std::vector<CorpusEntry> entries) : corpus(test::corpus_of(std::move(entries))) {
    model->config = small_config();
    model->settings = small_settings();
    model->settings.top_k = 3;
    options.form = ItemForm::streams;
    options.rows = 2;
    NetworkOptions network_options;
    network_options.dtype = DType::f32;
    network = small_network(context, model->config, network_options);
    network->refresh(context);
  }
  std::unique_ptr<BatchSource> make() {
    return make_source(context, corpus, options, model, std::make_shared<CountEmbedder>());
  }
  /// The next batch, read by the network; notes whose chunks are whose.
  Batch step(BatchSource& source, int64_t step) {
    Batch batch = source.next(step);
    network->evaluate(context, batch);
    source.passed(batch, *network);
    for (size_t i = 0; i < batch.sequences.size(); ++i) note(batch.sequences[i], i);
    return batch;
  }
  /// Every chunk-sized piece of what was written, by its keys: the ids that it was made of.
  void note(const Sequence& sequence, size_t index) {
    const WrittenMemory written = network->written(index);
    const auto rows = static_cast<int64_t>(sequence.ids.size());
    for (int64_t row = model->settings.window_bos ? 1 : 0; row + 4 <= rows; ++row) {
      const Tensor piece = Tensor::copy_of(written.k.view().slice(1, row, row + 4));
      chunk_ids[key_of(ops::convert(context, piece, DType::bf16))] = {
          sequence.ids.begin() + row, sequence.ids.begin() + row + 4};
    }
  }

  Context context{{.threads = 1}};
  std::shared_ptr<engine::LoadedModel> model = std::make_shared<engine::LoadedModel>();
  std::shared_ptr<const Corpus> corpus;
  DataOptions options;
  std::unique_ptr<Network> network;
  std::map<std::string, std::vector<int32_t>> chunk_ids;
};

TEST(StreamSource, WindowsWalkTheDocumentAndTrainEachTokenOnce) {
  const Document text = random_text(150, 1);
  Streams streams({test::entry_of(DataKind::text, {text})});
  streams.options.rows = 1;
  const auto source = streams.make();
  std::vector<int32_t> trained;
  std::vector<size_t> lengths;
  for (int64_t step = 0; step < 3; ++step) {
    const Sequence sequence = streams.step(*source, step).sequences.at(0);
    EXPECT_EQ(sequence.position, 0);
    EXPECT_EQ(sequence.ids.front(), text.ids[static_cast<size_t>(48 * step)]);
    lengths.push_back(sequence.ids.size());
    for (const int32_t target : sequence.targets) {
      if (target >= 0) trained.push_back(target);
    }
    for (size_t row = 0; step > 0 && row < 16; ++row) EXPECT_EQ(sequence.targets[row], -1);
  }
  EXPECT_THAT(lengths, ElementsAre(64, 64, 54));
  EXPECT_EQ(trained, std::vector<int32_t>(text.ids.begin() + 1, text.ids.end()));
  EXPECT_EQ(streams.step(*source, 3).sequences[0].ids.front(), text.ids[0]) << "the next document";
}

TEST(StreamSource, NoWindowForALastTokenWithoutTarget) {
  Streams streams({test::entry_of(DataKind::text, {random_text(65, 1)})});
  streams.options.rows = 1;
  const auto source = streams.make();
  EXPECT_EQ(streams.step(*source, 0).sequences[0].ids.size(), 64U);
  EXPECT_EQ(streams.step(*source, 1).sequences[0].ids.size(), 64U) << "from the start again";
}

TEST(StreamSource, ReadsTheBestOwnChunksBeforeTheWindow) {
  const Document text = random_text(300, 2);
  Streams streams({test::entry_of(DataKind::text, {text})});
  streams.options.rows = 1;
  const auto source = streams.make();
  const CountEmbedder embedder;
  size_t segments = 0;
  for (int64_t step = 0; step < 5; ++step) {
    const Sequence sequence = streams.step(*source, step).sequences.at(0);
    const int64_t window = 48 * step;
    EXPECT_EQ(sequence.segments.empty(), step == 0);
    for (const SegmentPlan& segment : sequence.segments) {
      ++segments;
      EXPECT_EQ(segment.begin % 4, 0);
      EXPECT_EQ(segment.end, segment.begin + 4);
      const auto first = text.ids.begin() + window + segment.begin - 4;
      engine::EncodedChunk query;
      query.vector.resize(16);
      embedder.embed(std::vector<int32_t>(first, first + 4), {}, query.vector);
      std::vector<std::pair<float, int64_t>> scores;
      for (int64_t begin = 0; begin + 4 <= window; begin += 4) {
        std::vector<float> vector(16);
        embedder.embed(std::span(text.ids).subspan(static_cast<size_t>(begin), 4), {}, vector);
        engine::round_as_stored(vector);
        scores.emplace_back(
            -std::inner_product(vector.begin(), vector.end(), query.vector.begin(), 0.0F), begin);
      }
      std::stable_sort(scores.begin(), scores.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      scores.resize(3);
      std::sort(scores.begin(), scores.end(),
                [](const auto& a, const auto& b) { return a.second < b.second; });
      ASSERT_EQ(segment.parts.size(), 3U);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(segment.parts[i].past, -1);
        EXPECT_EQ(segment.parts[i].end, 4);
        EXPECT_EQ(segment.parts[i].k.dtype(), DType::bf16);
        const auto at = text.ids.begin() + scores[i].second;
        EXPECT_EQ(streams.chunk_ids[key_of(segment.parts[i].k)], std::vector<int32_t>(at, at + 4));
      }
    }
  }
  EXPECT_EQ(segments, 4U * 16U);
}

TEST(StreamSource, OnlyTheNewestChunksAreSearched) {
  const Document text = random_text(500, 2);
  Streams streams({test::entry_of(DataKind::text, {text})});
  streams.options.rows = 1;
  streams.options.memory_chunks = Schedule::parse("0:5,6:2");
  const auto source = streams.make();
  for (int64_t step = 0; step < 8; ++step) {
    const Sequence sequence = streams.step(*source, step).sequences.at(0);
    std::set<std::string> read;
    for (const SegmentPlan& segment : sequence.segments) {
      for (const MemoryPart& part : segment.parts) read.insert(key_of(part.k));
    }
    std::set<std::vector<int32_t>> newest;
    for (int64_t back = 1; step > 0 && back <= (step < 6 ? 5 : 2); ++back) {
      const auto at = text.ids.begin() + 48 * step - 4 * back;
      newest.insert({at, at + 4});
    }
    for (const std::string& key : read) EXPECT_TRUE(newest.contains(streams.chunk_ids[key]));
    EXPECT_LE(read.size(), newest.size());
    EXPECT_EQ(read.empty(), step == 0);
  }
}

TEST(StreamSource, DistractorsComeFromOtherDocuments) {
  std::vector<Document> texts;
  std::map<std::vector<int32_t>, std::set<size_t>> homes;
  for (uint64_t i = 0; i < 3; ++i) {
    texts.push_back(random_text(400, 10 + i));
    for (size_t at = 0; at + 4 <= 400; at += 4) {
      homes[{texts[i].ids.begin() + static_cast<int64_t>(at),
             texts[i].ids.begin() + static_cast<int64_t>(at) + 4}]
          .insert(i);
    }
  }
  Streams streams({test::entry_of(DataKind::text, texts)});
  streams.options.rows = 5;  // of three documents: some are walked twice
  streams.options.distractors = Schedule::parse("0:0,4:2");
  const auto source = streams.make();
  std::set<std::string> distractors;
  for (int64_t step = 0; step < 8; ++step) {
    for (const Sequence& sequence : streams.step(*source, step).sequences) {
      std::set<size_t> own;
      for (size_t i = 0; i < 3; ++i) {
        const auto& ids = texts[i].ids;
        const auto found =
            std::search(ids.begin(), ids.end(), sequence.ids.begin(), sequence.ids.end());
        if (found != ids.end()) own.insert(i);
      }
      ASSERT_EQ(own.size(), 1U);
      for (const SegmentPlan& segment : sequence.segments) {
        ASSERT_EQ(segment.parts.size(), 3U);
        std::set<std::string> keys;
        for (size_t part = 0; part < 3; ++part) {
          const std::string key = key_of(segment.parts[part].k);
          keys.insert(key);
          const bool others = homes.at(streams.chunk_ids.at(key)) != own;
          EXPECT_EQ(others, step >= 4 && part < 2);
          if (others) distractors.insert(key);
        }
        EXPECT_EQ(keys.size(), 3U);
      }
    }
  }
  EXPECT_GT(distractors.size(), 50U);
}

TEST(StreamSource, AnswersAreReadWithTheirQuestionAndCounted) {
  // Turns of 10 tokens. The answers of turn 9 stand in the second window, that of turn 5 across
  // the end of the first: its rows are in no one window.
  Document dialog = test::counted_dialog(0, 12, 10);
  dialog.ids = small_ids(120, 5);
  dialog.answers = {{.begin = 57, .end = 67, .kind = AnswerKind::told, .fact = 0},
                    {.begin = 91, .end = 100, .kind = AnswerKind::unsaid, .fact = -1}};
  Streams streams({test::entry_of(DataKind::dialogs, {dialog})});
  streams.options.rows = 1;
  streams.options.weights = {.text = 9.0, .user = 0.0, .assistant = 1.0, .answer = 2.0};
  const auto source = streams.make();
  EXPECT_TRUE(streams.step(*source, 0).sequences[0].answers.empty());
  const Sequence second = streams.step(*source, 1).sequences[0];  // tokens 48..111
  ASSERT_EQ(second.answers.size(), 1U);
  EXPECT_EQ(second.answers[0].begin, 90 - 48);
  EXPECT_EQ(second.answers[0].end, 99 - 48);
  EXPECT_EQ(second.weights[static_cast<size_t>(88 - 48)], 0.0F) << "the user's last token";
  EXPECT_EQ(second.weights[static_cast<size_t>(89 - 48)], 0.0F) << "the answer's mark";
  EXPECT_EQ(second.weights[static_cast<size_t>(90 - 48)], 1.0F);
  EXPECT_EQ(second.targets[static_cast<size_t>(88 - 48)], -1) << "the query of its row holds it";
  EXPECT_EQ(second.targets[static_cast<size_t>(89 - 48)], dialog.ids[90]);
  std::set<int64_t> begins;
  for (const SegmentPlan& segment : second.segments) begins.insert(segment.begin + 48);
  // The window, the messages at 60, 80 and 100, and chunks four tokens or more into an answer.
  EXPECT_THAT(begins, ElementsAre(48, 56, 60, 76, 80, 96, 100));
}

TEST(StreamSource, BosOpensWindowsAndIsNoMemory) {
  const Document text = random_text(150, 3);
  Streams streams({test::entry_of(DataKind::text, {text})});
  streams.model->config.bos = 1;
  streams.model->settings.window_bos = true;
  streams.options.rows = 1;
  const auto source = streams.make();
  streams.step(*source, 0);
  const Sequence sequence = streams.step(*source, 1).sequences[0];  // 63 tokens, every 47
  ASSERT_EQ(sequence.ids.size(), 64U);
  EXPECT_EQ(sequence.ids[0], 1);
  EXPECT_EQ(sequence.ids[1], text.ids[47]);
  EXPECT_EQ(sequence.targets[16], -1);
  EXPECT_EQ(sequence.targets[17], text.ids[64]);
  ASSERT_FALSE(sequence.segments.empty());
  EXPECT_EQ(sequence.segments[0].begin, 0);
  EXPECT_EQ(sequence.segments[0].end, 2) << "token 47 ends a chunk";
  EXPECT_EQ(sequence.segments[1].end, 6);
  std::set<std::vector<int32_t>> chunks;
  for (int64_t at = 0; at + 4 <= 47; at += 4) {
    chunks.insert({text.ids.begin() + at, text.ids.begin() + at + 4});
  }
  for (const MemoryPart& part : sequence.segments[1].parts) {
    EXPECT_TRUE(chunks.contains(streams.chunk_ids[key_of(part.k)]));
  }
}

TEST(StreamSource, StretchesOfTextBeginAnywhere) {
  const Document text = random_text(1000, 3);
  Streams streams({test::entry_of(DataKind::text, {text})});
  streams.options.stretch = 100;
  const auto source = streams.make();
  std::set<std::ptrdiff_t> begins;
  for (int64_t step = 0; step < 20; ++step) {
    for (const Sequence& sequence : streams.step(*source, step).sequences) {
      const auto found =
          std::search(text.ids.begin(), text.ids.end(), sequence.ids.begin(), sequence.ids.end());
      ASSERT_NE(found, text.ids.end());
      EXPECT_EQ(sequence.ids.size(), step % 2 == 0 ? 64U : 52U);
      EXPECT_EQ(sequence.targets.back() == -1, step % 2 == 1);
      if (step % 2 == 0) begins.insert(found - text.ids.begin());
    }
  }
  EXPECT_GE(begins.size(), 18U);
}

TEST(StreamSource, RowsInProportionToTheWeightsOfEntries) {
  std::vector<Document> shorts;
  for (uint64_t i = 0; i < 40; ++i) shorts.push_back(random_text(50, 100 + i));
  Document longer;
  longer.ids.assign(3000, 60);
  Streams streams(
      {test::entry_of(DataKind::text, shorts, 3.0), test::entry_of(DataKind::text, {longer}, 1.0)});
  streams.options.rows = 6;
  const auto source = streams.make();
  int windows = 0;
  for (int64_t step = 0; step < 200; ++step) {
    const Batch batch = streams.step(*source, step);
    for (const Sequence& sequence : batch.sequences) windows += sequence.ids[0] == 60 ? 1 : 0;
  }
  EXPECT_NEAR(windows / 1200.0, 0.25, 0.09);
}

TEST(StreamSource, SomeWindowsReadNothing) {
  Streams streams({test::entry_of(DataKind::text, {random_text(3000, 3), random_text(3000, 4)})});
  streams.options.no_memory = Schedule(0.5);
  const auto source = streams.make();
  streams.step(*source, 0);
  int without = 0;
  for (int64_t step = 1; step < 41; ++step) {
    for (const Sequence& sequence : streams.step(*source, step).sequences) {
      without += sequence.segments.empty() ? 1 : 0;
    }
  }
  EXPECT_NEAR(without, 40, 15);
}

TEST(StreamSource, TakenUpAgainGivesTheSameBits) {
  std::vector<Document> dialogs;
  for (uint64_t i = 0; i < 5; ++i) {
    dialogs.push_back(test::counted_dialog(0, 14, 10 + static_cast<int64_t>(i)));
    dialogs.back().ids = small_ids(dialogs.back().size(), 30 + i);
  }
  Streams streams({test::entry_of(DataKind::dialogs, dialogs),
                   test::entry_of(DataKind::text, {random_text(900, 3), random_text(70, 4)})});
  streams.options.rows = 4;
  streams.options.stretch = 300;
  streams.options.distractors = Schedule(1);
  streams.options.no_memory = Schedule(0.1);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    streams.options.memory_chunks = dtype == DType::f32 ? Schedule(0) : Schedule(6);
    NetworkOptions network_options;
    network_options.dtype = dtype;
    streams.network = small_network(streams.context, streams.model->config, network_options);
    streams.network->refresh(streams.context);
    const auto source = streams.make();
    for (int64_t step = 0; step < 9; ++step) streams.step(*source, step);
    const std::string state = source->state();
    const auto resumed = streams.make();
    resumed->restore(state, *streams.network);
    EXPECT_EQ(resumed->state(), state);
    size_t parts = 0;
    for (int64_t step = 9; step < 25; ++step) {
      const Batch one = streams.step(*source, step);
      const Batch other = streams.step(*resumed, step);
      EXPECT_TRUE(test::same_batch(one, other)) << step;
      for (const Sequence& sequence : one.sequences) {
        for (const SegmentPlan& segment : sequence.segments) parts += segment.parts.size();
      }
    }
    EXPECT_GT(parts, 1000U);
  }
}

TEST(StreamSource, StatesOfOthersAreRefused) {
  Streams streams({test::entry_of(DataKind::text, {random_text(300, 3)})});
  const auto source = streams.make();
  const std::string state = source->state();
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string text = state;
    text.replace(text.find(from), from.size(), to);
    return test::error_line(ErrorKind::mismatch, [&] { source->restore(text, *streams.network); });
  };
  const std::string none = "what was saved is no state of these data";
  EXPECT_EQ(refused("\"window\":0", "\"window\":5"), none);
  EXPECT_EQ(refused("\"window\":0", "\"window\":4800"), none);
  EXPECT_EQ(refused("\"to\":300", "\"to\":301"), none);
  EXPECT_EQ(refused("\"entry\":0", "\"entry\":1"), none);
  EXPECT_EQ(refused("\"document\":0", "\"document\":7"), none);
  EXPECT_EQ(refused("\"credit\"", "\"debit\""), none);
  EXPECT_EQ(refused("\"streams\"", "\"pairs\""),
            "the state of the data was made with form \"pairs\", not \"streams\"");
  EXPECT_EQ(refused("\"rows\":2", "\"rows\":3"),
            "the state of the data was made with rows 3, not 2");
}

TEST(StreamSource, RefusesWhatCannotBe) {
  Streams streams({test::entry_of(DataKind::text, {random_text(300, 3)})});
  const auto message = [&](ErrorKind kind) {
    return test::error_line(kind, [&] { streams.make(); });
  };
  for (const bool hidden : {false, true}) {
    const auto embedder = hidden ? std::make_shared<CountEmbedder>(true) : nullptr;
    EXPECT_EQ(test::error_line(ErrorKind::config,
                               [&] {
                                 make_source(streams.context, streams.corpus, streams.options,
                                             streams.model, embedder);
                               }),
              "streams need an embedder that works on text alone, such as sif");
  }
  streams.options.stretch = 1;
  EXPECT_EQ(message(ErrorKind::usage), "a stretch of text has at least two tokens (0: all of it)");
  streams.options.distractors = Schedule(3);
  EXPECT_EQ(message(ErrorKind::usage),
            "distractors 3 leave no place for a row's own chunks: 3 are retrieved");
}

}  // namespace
}  // namespace memlong::train
