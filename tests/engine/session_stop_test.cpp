// A stop in the middle of a long message: the dialog is as if it had never been said.
#include <atomic>

#include <gtest/gtest.h>

#include "common/error.h"
#include "engine/session.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

/// Asks for a stop when it has made so many vectors.
class StopsAfter : public retriever::Embedder {
 public:
  explicit StopsAfter(std::shared_ptr<const retriever::Embedder> embedder)
      : embedder_(std::move(embedder)) {}
  [[nodiscard]] std::string name() const override { return embedder_->name(); }
  [[nodiscard]] int64_t dim() const override { return embedder_->dim(); }
  [[nodiscard]] bool needs_hidden() const override { return embedder_->needs_hidden(); }
  void embed(std::span<const int32_t> ids, const TensorView& hidden,
             std::span<float> out) const override {
    if (left > 0 && --left == 0) stop = true;
    embedder_->embed(ids, hidden, out);
  }

  mutable std::atomic<bool> stop = false;
  mutable int left = 0;

 private:
  std::shared_ptr<const retriever::Embedder> embedder_;
};

std::string long_message() {
  std::string text;
  for (int i = 0; i < 900; ++i) text += "On day " + std::to_string(i) + " it rained again. ";
  return text;
}

TEST(SessionStop, ALongMessageThatIsStoppedWasNeverSaid) {
  Context context;
  const std::shared_ptr<const LoadedModel> model = test::reference_model(context, DType::f32);
  const auto embedder = std::make_shared<StopsAfter>(make_embedder(context, *model));
  GenerateOptions greedy;
  greedy.sampling.temperature = 0.0F;
  greedy.max_tokens = 12;
  const auto begin = [&](const std::atomic<bool>* stop) {
    auto session =
        std::make_unique<Session>(context, model, embedder, nullptr, SessionOptions{.stop = stop});
    for (const tokenizer::Message& message : test::small_talk(21, 0)) session->add(message);
    return session;
  };
  const auto never = begin(nullptr);
  const auto session = begin(&embedder->stop);
  const int64_t tokens = session->tokens();
  const size_t turns = session->turns().size();

  embedder->left = 40;  // of some 140 chunks
  try {
    session->add({"user", long_message()});
    FAIL() << "the stop was not seen";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::stopped);
  }
  EXPECT_TRUE(embedder->stop);
  EXPECT_EQ(session->tokens(), tokens);
  EXPECT_EQ(session->turns().size(), turns);
  EXPECT_LE(session->stream().completed(), tokens);

  embedder->stop = false;
  never->add({"user", "Yes, please reserve it."});
  session->add({"user", "Yes, please reserve it."});
  EXPECT_EQ(session->answer(greedy).ids, never->answer(greedy).ids);
  EXPECT_EQ(session->stream().tokens(), never->stream().tokens());
  EXPECT_EQ(session->stream().completed(), never->stream().completed());
}

}  // namespace
}  // namespace memlong::engine
