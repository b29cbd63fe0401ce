// A model that nobody here made, if one is at hand.
#include <cstdlib>

#include <gtest/gtest.h>

#include "model/memory_settings.h"
#include "model/weights.h"

namespace memlong::model {
namespace {

TEST(ForeignModel, LoadsAsDownloaded) {
  const char* folder = std::getenv("MEMLONG_FOREIGN_MODEL");
  if (folder == nullptr) {
    GTEST_SKIP() << "set MEMLONG_FOREIGN_MODEL to a Hugging Face folder (config.json, safetensors, "
                    "tokenizer.model) to test with a model from outside";
  }
  const ModelConfig config = load_config(folder);
  const WeightStore weights = WeightStore::open(folder);
  EXPECT_EQ(weights.get("model.embed_tokens.weight").shape(), (Shape{config.vocab, config.hidden}));
  const MemorySettings settings = find_settings(folder, config, {});
  EXPECT_NO_THROW(check_settings(settings, config));
  EXPECT_NE(writer_hash(config, weights, settings.memory_layer), Digest{});
}

}  // namespace
}  // namespace memlong::model
