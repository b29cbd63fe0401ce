// Training reads as engine::Stream does in use: the same segments, the same chunks, the same loss.
#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "engine/dialog_memory.h"
#include "support/golden.h"
#include "support/reference_model.h"
#include "train/make_source.h"
#include "train/network.h"
#include "train/small_corpus.h"

namespace memlong::train {
namespace {

/// Begins of the chunks that a segment reads, by where it begins, by where its window begins.
using Segments = std::map<int64_t, std::map<int64_t, std::vector<int64_t>>>;

struct InUse {
  Segments segments;
  std::vector<engine::EncodedChunk> chunks;
  double loss = 0.0;
};

double loss_of(const float* logits, int64_t vocab, int32_t target) {
  const float largest = *std::max_element(logits, logits + vocab);
  double sum = 0.0;
  for (int64_t i = 0; i < vocab; ++i) sum += std::exp(double{logits[i]} - largest);
  return std::log(sum) + largest - logits[target];
}

/// Whether token `at` predicts one of the message that it reads with.
bool in_a_query(const Document& dialog, int64_t at) {
  return std::ranges::any_of(dialog.spans, [at](const engine::AnswerSpan& span) {
    return span.from <= at && at + 1 < span.query_end;
  });
}

/// A session reads the dialog turn by turn.
InUse read_in_use(Context& context, const std::shared_ptr<const engine::LoadedModel>& model,
                  const Document& dialog) {
  InUse use;
  engine::DialogMemory memory(context, model, nullptr, {});
  engine::Stream stream(context, model, engine::make_embedder(context, *model), memory, {});
  stream.on_segment([&use](const engine::SegmentRecord& record) {
    if (record.set == nullptr || record.set->chunks.empty()) return;
    auto& begins = use.segments[record.window_start][record.position];
    begins.clear();
    for (const engine::RetrievedChunk& chunk : record.set->chunks) begins.push_back(chunk.begin);
  });
  std::vector<int64_t> bounds = dialog.turns;
  bounds.insert(bounds.begin(), 0);
  bounds.push_back(dialog.size());
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    for (const engine::AnswerSpan& span : dialog.spans) {
      if (span.begin == bounds[i]) {
        stream.begin_answer(span.query_begin, span.query_end);
        // The message is read again; what its tokens read before is of no account.
        auto& segments = use.segments[stream.window_start()];
        segments.erase(segments.lower_bound(std::max(span.from, stream.window_start())),
                       segments.end());
        if (segments.empty()) use.segments.erase(stream.window_start());
      }
      if (span.end == bounds[i]) stream.end_answer();
    }
    if (bounds[i] == bounds[i + 1]) continue;
    stream.read({dialog.ids.begin() + bounds[i], dialog.ids.begin() + bounds[i + 1]},
                engine::Want::all);
    for (int64_t at = bounds[i]; at < bounds[i + 1] && at + 1 < dialog.size(); ++at) {
      if (in_a_query(dialog, at)) continue;
      const TensorView row = stream.logits().slice(0, at - bounds[i], at - bounds[i] + 1);
      use.loss +=
          loss_of(row.data<float>(), model->config.vocab, dialog.ids[static_cast<size_t>(at) + 1]);
    }
  }
  use.chunks = memory.pending();
  return use;
}

/// Which of the session's chunks it is.
int64_t begin_of(Context& context, const MemoryPart& part,
                 const std::vector<engine::EncodedChunk>& chunks) {
  for (const engine::EncodedChunk& chunk : chunks) {
    if (memlong::test::relative_error(context, part.k, chunk.k) < 5e-3 &&
        memlong::test::relative_error(context, part.v, chunk.v) < 5e-3) {
      return chunk.begin;
    }
  }
  return -1;
}

struct Reading {
  const char* name;
  int64_t neighbours;
  int64_t query_chunks;
  int64_t recent_chunks;
  double recency;
};
class StreamInUse : public testing::TestWithParam<Reading> {};
INSTANTIATE_TEST_SUITE_P(Reading, StreamInUse,
                         testing::Values(Reading{"Plain", 0, 1, 0, 0.0},
                                         Reading{"Neighbours", 1, 1, 0, 0.0},
                                         Reading{"Recent", 1, 3, 2, 0.1}),
                         [](const auto& reading) { return reading.param.name; });

TEST_P(StreamInUse, SegmentsChunksAndLossAreThoseOfASession) {
  Context context;
  const auto changed =
      std::make_shared<engine::LoadedModel>(*memlong::test::reference_model(context, DType::f32));
  changed->settings.top_k = 4;
  changed->settings.neighbours = GetParam().neighbours;
  changed->settings.query_chunks = GetParam().query_chunks;
  changed->settings.recent_chunks = GetParam().recent_chunks;
  changed->settings.recency = GetParam().recency;
  const std::shared_ptr<const engine::LoadedModel> model = changed;
  nlohmann::json json = {{"messages", nlohmann::json::array()}};
  for (const tokenizer::Message& message : memlong::test::small_talk(25)) {
    json["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  const Document dialog = parse_dialog(json.dump(), *model);
  ASSERT_GT(dialog.size(), 900);
  InUse use = read_in_use(context, model, dialog);

  DataOptions options;
  options.form = ItemForm::streams;
  options.rows = 1;
  const auto source =
      make_source(context, test::corpus_of({test::entry_of(DataKind::dialogs, {dialog})}), options,
                  model, engine::make_embedder(context, *model));
  NetworkOptions network_options;
  network_options.dtype = DType::f32;
  Network network(context, model->store, model->config, model->settings, network_options);
  network.refresh(context);
  Segments segments;
  LossSums sums;
  const int64_t overlap = model->settings.overlap;
  const int64_t stride = model->settings.window - overlap;
  for (int64_t window = 0; window + overlap + 1 < dialog.size(); window += stride) {
    const Batch batch = source->next(0);
    const Sequence& sequence = batch.sequences.at(0);
    ASSERT_EQ(sequence.ids.front(), dialog.ids[static_cast<size_t>(window)]);
    for (const SegmentPlan& segment : sequence.segments) {
      auto& begins = segments[window][window + segment.begin];
      for (const MemoryPart& part : segment.parts) {
        begins.push_back(begin_of(context, part, use.chunks));
      }
    }
    sums += network.evaluate(context, batch);
    source->passed(batch, network);
  }
  // A message that is answered in the next window only: a session read its beginning before it knew
  // that it was one, and nothing of it is a target.
  for (const engine::AnswerSpan& span : dialog.spans) {
    for (int64_t window = 0; window <= span.from; window += stride) {
      if (span.from >= window + model->settings.window) continue;
      if (span.begin < window + model->settings.window) continue;
      for (Segments* each : {&segments, &use.segments}) {
        auto& inside = (*each)[window];
        inside.erase(inside.lower_bound(span.from), inside.end());
      }
    }
  }
  EXPECT_EQ(segments, use.segments);
  EXPECT_GE(segments.size(), 2U);
  int64_t targets = 0;
  for (int64_t at = 0; at + 1 < dialog.size(); ++at) targets += in_a_query(dialog, at) ? 0 : 1;
  EXPECT_EQ(sums.targets, targets);
  EXPECT_LT(targets, dialog.size() - 1 - 100);
  EXPECT_NEAR(sums.plain_loss / use.loss, 1.0, 1e-4);
}

}  // namespace
}  // namespace memlong::train
