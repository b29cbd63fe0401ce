// A model that nobody here made: MEMLONG_FOREIGN_MODEL names its folder (a Llama-architecture model
// in the Hugging Face layout, with `golden.safetensors`: ids [T] and logits [T, V]).
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/encoder.h"
#include "engine/session.h"
#include "support/golden.h"
#include "support/reference_model.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

class ForeignModelRun : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("MEMLONG_FOREIGN_MODEL");
    if (folder == nullptr) {
      GTEST_SKIP() << "SKIPPED: set MEMLONG_FOREIGN_MODEL to the folder of a foreign model";
    }
    folder_ = folder;
    model_ = load_model(context_, {.folder = folder_, .dtype = DType::f32});
  }

  Context context_;
  std::filesystem::path folder_;
  std::shared_ptr<const LoadedModel> model_;
};

TEST_F(ForeignModelRun, GivesItsGoldenLogits) {
  const model::SafetensorsFile golden(folder_ / "golden.safetensors");
  const Tensor wanted_ids = Tensor::copy_of(golden.get("ids"));
  const std::vector<int32_t> ids(wanted_ids.data<int32_t>(),
                                 wanted_ids.data<int32_t>() + wanted_ids.view().elements());
  const auto count = static_cast<int64_t>(ids.size());
  ASSERT_LE(count, model_->settings.window);
  backbone::KvCache cache(model_->config, model_->config.layers, count, DType::f32);
  const Tensor x({count, model_->config.hidden}, DType::f32);
  const Tensor logits({count, model_->config.vocab}, DType::f32);
  model_->writer->forward(context_, ids, cache, 0, x);
  model_->side_net->forward(context_, cache, {.x = x});
  model_->side_net->logits(context_, x, logits);
  EXPECT_LE(test::relative_error(context_, logits, golden.get("logits")), 1e-5);
}

TEST_F(ForeignModelRun, IsIngestedWithAndTellsAStory) {
  const std::string story =
      "Once upon a time there was a little dog named Max. Max had a red ball. One day he lost the "
      "ball in the big park. He looked and looked. ";
  std::string text;
  for (int i = 0; i < 40; ++i) text += story;
  const std::vector<int32_t> ids = model_->tokens->encode(text);
  const std::string blob = make_sif_blob(*model_, ids);
  const auto embedder = make_embedder(context_, *model_, blob);

  const test::TempFolder folder;
  const std::shared_ptr<membank::Bank> bank =
      membank::Bank::open(folder.path() / "bank",
                          {.mode = membank::OpenMode::write, .fingerprint = model_->fingerprint()});
  bank->update([&](membank::Transaction& transaction) {
    const membank::DocumentId id = transaction.create_document({.name = "story"});
    Encoder encoder(context_, model_, embedder, DType::bf16, [&](EncodedChunk&& chunk) {
      transaction.append_chunk(id, chunk.ids, chunk.vector, chunk.k, chunk.v);
    });
    encoder.begin();
    encoder.push(ids);
    encoder.finish();
    transaction.finish_document(id);
  });
  EXPECT_EQ(bank->snapshot()->stats().tokens, static_cast<int64_t>(ids.size()));

  const auto memory = std::make_shared<Memory>(bank, retriever::IndexOptions{});
  Session session(context_, model_, embedder, memory, {.scope = {.everything = true}});
  session.add({"user", "Once upon a time there was a little dog"});
  GenerateOptions options;
  options.sampling.temperature = 0.0F;
  options.max_tokens = 60;
  const Answer answer = session.answer(options);
  EXPECT_FALSE(answer.retrieved.empty()) << "what was ingested is read";
  const auto letters = std::count_if(answer.text.begin(), answer.text.end(),
                                     [](unsigned char c) { return std::isalpha(c) != 0; });
  EXPECT_GE(letters, static_cast<std::ptrdiff_t>(answer.text.size() / 2)) << answer.text;
  EXPECT_GE(answer.text.size(), 20U);
}

}  // namespace
}  // namespace memlong::engine
