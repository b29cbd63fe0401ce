// What read_together() does where streams are not alike, and where something fails.
#include "engine/stream_batch.h"

#include <cmath>
#include <memory>
#include <vector>

#include <gmock/gmock.h>

#include "common/error.h"
#include "engine/dialog_memory.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using testing::ElementsAre;

using Ids = std::vector<int32_t>;

constexpr int64_t kWindow = 96;
constexpr int64_t kChunk = 16;

/// A dialog's own memory, which fails while it is told to.
class Fragile : public DialogMemory {
 public:
  using DialogMemory::DialogMemory;
  std::shared_ptr<const RetrievedSet> retrieve(const SetRequest& request) override {
    if (fails) fail(ErrorKind::io, "the bank is gone");
    return DialogMemory::retrieve(request);
  }
  void completed(EncodedChunk&& chunk) override {
    if (fails) fail(ErrorKind::io, "the chunk cannot be kept");
    DialogMemory::completed(std::move(chunk));
  }
  bool fails = false;
};

int32_t token(int64_t at) { return static_cast<int32_t>(300 + at * 37 % 3000); }

Ids tokens(int64_t begin, int64_t end) {
  Ids ids;
  for (int64_t at = begin; at < end; ++at) ids.push_back(token(at));
  return ids;
}

class StreamBatchTest : public testing::Test {
 protected:
  struct Talk {
    Talk(Context& context, const std::shared_ptr<const LoadedModel>& model)
        : memory(context, model, nullptr, {}),
          stream(context, model, make_embedder(context, *model), memory, {}) {}
    Fragile memory;
    Stream stream;
  };

  void SetUp() override {
    model_ = std::make_shared<LoadedModel>(*test::reference_model(context_, DType::f32));
    model_->settings.window = kWindow;
    model_->settings.overlap = 32;
    model_->settings.chunk = kChunk;
    model_->settings.top_k = 3;
  }

  /// Behind the first `depth` tokens.
  std::unique_ptr<Talk> talk(int64_t depth) {
    auto made = std::make_unique<Talk>(context_, model_);
    made->stream.read(tokens(0, depth));
    return made;
  }

  using Errors = std::vector<std::exception_ptr>;

  /// Each reads its next token.
  Errors together(const std::vector<Talk*>& talks) {
    std::vector<Stream*> streams;
    Ids ids;
    for (Talk* one : talks) {
      streams.push_back(&one->stream);
      ids.push_back(token(one->stream.size()));
    }
    return read_together(context_, streams, ids);
  }

  /// Which of them have failed.
  static std::vector<size_t> failed_of(const Errors& errors) {
    std::vector<size_t> failed;
    for (size_t i = 0; i < errors.size(); ++i) {
      if (errors[i] != nullptr) failed.push_back(i);
    }
    return failed;
  }

  /// Whether the stream stands where one stands that has read all its tokens alone.
  void expect_as_alone(Talk& found) {
    Talk wanted(context_, model_);
    const int64_t size = found.stream.size();
    wanted.stream.read(tokens(0, size - 1));
    wanted.stream.read(tokens(size - 1, size), Want::last);
    EXPECT_EQ(found.stream.unread(), 0);
    EXPECT_EQ(found.stream.completed(), wanted.stream.completed());
    EXPECT_EQ(found.memory.pending().size(), wanted.memory.pending().size());
    EXPECT_EQ(found.stream.segment().position, wanted.stream.segment().position);
    ASSERT_EQ(found.stream.logits().shape(), wanted.stream.logits().shape());
    const auto* a = found.stream.logits().data<float>();
    const auto* b = wanted.stream.logits().data<float>();
    double difference = 0.0;
    double norm = 0.0;
    for (int64_t i = 0; i < model_->config.vocab; ++i) {
      difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
      norm += double{b[i]} * b[i];
    }
    EXPECT_LE(std::sqrt(difference / norm), 1e-4);
  }

  Context context_;
  std::shared_ptr<LoadedModel> model_;
};

TEST_F(StreamBatchTest, NoneOneAndTwo) {
  together({});
  const auto one = talk(20);
  const auto other = talk(7);
  together({one.get()});
  expect_as_alone(*one);
  together({one.get(), other.get()});
  expect_as_alone(*one);
  expect_as_alone(*other);
}

TEST_F(StreamBatchTest, WhoCannotJoinIsReadAlone) {
  const auto fresh = talk(0);
  const auto full = talk(kWindow);  // its next token opens a window
  const auto behind = talk(30);
  behind->stream.append(tokens(30, 34));
  const auto one = talk(50);
  const auto other = talk(90);
  for (int step = 0; step < 2; ++step) {
    together({fresh.get(), one.get(), full.get(), behind.get(), other.get()});
    for (Talk* each : {fresh.get(), one.get(), full.get(), behind.get(), other.get()}) {
      expect_as_alone(*each);
    }
  }
  EXPECT_GT(full->stream.window_start(), 0);
}

TEST_F(StreamBatchTest, AStreamWhoseMemoryFailsLeavesTheOthersAlone) {
  constexpr int64_t kBoundary = kWindow + 2 * kChunk;  // asks memory there
  const auto first = talk(40);
  const auto broken = talk(kBoundary);
  const auto also_at_boundary = talk(kBoundary + kChunk);
  const auto last = talk(70);
  const std::vector<Talk*> all = {first.get(), broken.get(), also_at_boundary.get(), last.get()};
  broken->memory.fails = true;
  EXPECT_THAT(failed_of(together(all)), ElementsAre(1));
  for (Talk* other : {first.get(), also_at_boundary.get(), last.get()}) expect_as_alone(*other);
  EXPECT_EQ(broken->stream.size(), kBoundary + 1);
  EXPECT_EQ(broken->stream.unread(), 1);
  EXPECT_THROW(broken->stream.read_last_again(), Error) << "it is told what is wrong with it";
  EXPECT_EQ(broken->stream.unread(), 1);

  EXPECT_THAT(failed_of(together(all)), ElementsAre(1)) << "two tokens wait now";
  for (Talk* other : {first.get(), also_at_boundary.get(), last.get()}) expect_as_alone(*other);
  EXPECT_EQ(broken->stream.unread(), 2);

  broken->memory.fails = false;
  broken->stream.read_last_again();
  expect_as_alone(*broken);
  together(all);
  for (Talk* each : all) expect_as_alone(*each);
}

TEST_F(StreamBatchTest, OfTwoThatFailTheThirdIsRead) {
  const auto one = talk(kWindow + 2 * kChunk);
  const auto two = talk(kWindow + 3 * kChunk);
  const auto third = talk(10);
  one->memory.fails = two->memory.fails = true;
  EXPECT_THAT(failed_of(together({one.get(), third.get(), two.get()})), ElementsAre(0, 2));
  expect_as_alone(*third);
  EXPECT_EQ(one->stream.unread(), 1);
  EXPECT_EQ(two->stream.unread(), 1);
  EXPECT_THAT(failed_of(together({one.get(), two.get()})), ElementsAre(0, 1))
      << "none is left in the pass";
  one->memory.fails = two->memory.fails = false;
  for (Talk* each : {one.get(), two.get()}) {
    each->stream.read_last_again();
    expect_as_alone(*each);
  }
}

TEST_F(StreamBatchTest, AChunkThatIsNotTakenIsHandedOutWithTheNextToken) {
  const auto broken = talk(kWindow - 17);  // its next token completes a chunk
  const auto other = talk(kWindow - 17);
  broken->memory.fails = true;
  EXPECT_THAT(failed_of(together({broken.get(), other.get()})), ElementsAre(0));
  expect_as_alone(*other);
  EXPECT_EQ(broken->stream.unread(), 0) << "the token is read";
  EXPECT_EQ(broken->stream.completed(), other->stream.completed() - kChunk);
  EXPECT_EQ(broken->stream.logits().shape(), other->stream.logits().shape());
  EXPECT_NEAR(broken->stream.logits().data<float>()[7], other->stream.logits().data<float>()[7],
              1e-4);
  broken->memory.fails = false;
  together({broken.get(), other.get()});
  expect_as_alone(*broken);
  expect_as_alone(*other);
}

TEST_F(StreamBatchTest, AnAnswerGoesOnTogether) {
  const auto one = talk(150);
  const auto other = talk(60);
  one->stream.begin_answer(140, 150);
  EXPECT_EQ(one->stream.unread(), 10);
  together({one.get(), other.get()});
  EXPECT_EQ(one->stream.segment().position, 140);
  Talk wanted(context_, model_);
  wanted.stream.read(tokens(0, 150));
  wanted.stream.begin_answer(140, 150);
  wanted.stream.read(tokens(150, 151), Want::last);
  std::vector<int64_t> found_at;
  std::vector<int64_t> wanted_at;
  one->stream.on_segment([&](const SegmentRecord& record) { found_at.push_back(record.position); });
  wanted.stream.on_segment(
      [&](const SegmentRecord& record) { wanted_at.push_back(record.position); });
  for (int64_t at = 151; at < 165; ++at) {
    together({one.get(), other.get()});
    wanted.stream.read(tokens(at, at + 1), Want::last);
    for (const int64_t i : {0, 7, 4000}) {
      EXPECT_NEAR(one->stream.logits().data<float>()[i], wanted.stream.logits().data<float>()[i],
                  1e-3);
    }
  }
  EXPECT_EQ(found_at, wanted_at);
  EXPECT_FALSE(found_at.empty());
  expect_as_alone(*other);
}

TEST_F(StreamBatchTest, OnlyDifferentStreamsOfOneContextAndModel) {
  const auto one = talk(5);
  EXPECT_THROW(together({one.get(), one.get()}), Error);
  Context elsewhere;
  Talk other(elsewhere, model_);
  EXPECT_THROW(together({one.get(), &other}), Error);
  const auto model = model_;
  SetUp();
  const auto of_another = talk(5);
  EXPECT_THROW(together({one.get(), of_another.get()}), Error);
  Stream* stream = &one->stream;
  EXPECT_THROW(read_together(context_, std::span(&stream, 1), {}), Error);
  EXPECT_EQ(one->stream.size(), 5) << "nothing was taken";
}

}  // namespace
}  // namespace memlong::engine
