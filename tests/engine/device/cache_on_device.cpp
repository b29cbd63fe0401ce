// A stream whose retrieved chunks stay at hand on a CUDA device.
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "engine/stream.h"
#include "support/paths.h"

namespace memlong::engine {
namespace {

std::shared_ptr<const LoadedModel> short_windows(Context& context) {
  ModelOptions options{.folder = test::source_dir() + "/models/reference", .dtype = DType::f32};
  options.settings = model::find_settings(options.folder, model::load_config(options.folder), {});
  options.settings->window = 48;
  options.settings->overlap = 16;
  options.settings->chunk = 8;
  options.settings->top_k = 3;
  return load_model(context, options);
}

TEST(CacheOnDevice, AStreamReadsTheSameWithChunksAtHand) {
  std::vector<int32_t> ids;
  for (int i = 0; i < 100; ++i) ids.push_back(300 + i * 37 % 3000);
  Context context({.device = Device::cuda});
  const auto model = short_windows(context);
  const auto embedder = make_embedder(context, *model);
  std::vector<std::vector<float>> logits;
  for (const int64_t cached : {0, 4}) {
    DialogMemory memory(context, model, nullptr, {}, cached);
    Stream stream(context, model, embedder, memory, {});
    stream.read(std::span(ids).first(90));
    stream.read(std::span(ids).subspan(90), Want::last);
    const auto* row = stream.logits().data<float>();
    logits.emplace_back(row, row + model->config.vocab);
    EXPECT_EQ(memory.cache().size(), cached);
    if (cached > 0) {
      EXPECT_GE(memory.cache().hits(), 3);
    }
  }
  for (const float logit : logits[0]) ASSERT_TRUE(std::isfinite(logit));
  EXPECT_EQ(logits[0], logits[1]) << "the same keys and values give the same bits";
}

}  // namespace
}  // namespace memlong::engine
