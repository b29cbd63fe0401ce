#include "engine/session.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "common/error.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

const char* const kFact = "My umbrella is under the stairs.";
const char* const kQuestion = "Where did I leave my umbrella?";

/// A bank whose second update fails.
class FailsOnSecondUpdate : public membank::Bank {
 public:
  explicit FailsOnSecondUpdate(std::shared_ptr<membank::Bank> bank) : bank_(std::move(bank)) {}
  [[nodiscard]] const std::filesystem::path& folder() const override { return bank_->folder(); }
  [[nodiscard]] const membank::Fingerprint& fingerprint() const override {
    return bank_->fingerprint();
  }
  [[nodiscard]] bool writable() const override { return bank_->writable(); }
  [[nodiscard]] std::unique_ptr<membank::Snapshot> snapshot() const override {
    return bank_->snapshot();
  }
  void update(const std::function<void(membank::Transaction&)>& fn) override {
    if (++updates == 2) fail(ErrorKind::io, "the disk is full");
    bank_->update(fn);
  }
  membank::Removed remove_chunks(std::span<const membank::ChunkId> ids) override {
    membank::Removed removed;
    update([&](membank::Transaction& transaction) { removed = transaction.remove_chunks(ids); });
    return removed;
  }
  void count_hits(std::span<const membank::ChunkId> ids) override { bank_->count_hits(ids); }
  void flush_hits() override { bank_->flush_hits(); }
  [[nodiscard]] std::vector<membank::BadRecord> verify(
      const std::function<void(int64_t, int64_t)>& progress) const override {
    return bank_->verify(progress);
  }
  void compact() override { bank_->compact(); }

  int updates = 0;

 private:
  std::shared_ptr<membank::Bank> bank_;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest()
      : model_(test::reference_model(context_, DType::f32)),
        embedder_(make_embedder(context_, *model_)) {}

  std::shared_ptr<membank::Bank> open_bank(membank::OpenMode mode = membank::OpenMode::write) {
    return membank::Bank::open(folder_.path() / "bank",
                               {.mode = mode, .fingerprint = model_->fingerprint()});
  }

  std::unique_ptr<Session> open(const std::shared_ptr<membank::Bank>& bank,
                                const SessionOptions& options) {
    std::shared_ptr<Memory> memory;
    if (bank != nullptr) memory = std::make_shared<Memory>(bank, retriever::IndexOptions{});
    return std::make_unique<Session>(context_, model_, embedder_, memory, options);
  }

  static void talk(Session& session, int count, int from = 0) {
    for (const tokenizer::Message& message : test::small_talk(count, from)) session.add(message);
  }

  static GenerateOptions greedy(int64_t tokens = 24) {
    GenerateOptions options;
    options.sampling.temperature = 0.0F;
    options.max_tokens = tokens;
    return options;
  }

  Context context_;
  std::shared_ptr<const LoadedModel> model_;
  std::shared_ptr<const retriever::Embedder> embedder_;
  test::TemporaryFolder folder_;
};

TEST_F(SessionTest, StoppedAndResumedGoesOnAsIfNeverStopped) {
  const auto never = open(nullptr, {.name = "a", .seed = 1});
  never->add({"user", kFact});
  never->add({"assistant", "Your umbrella: under the stairs. Noted."});
  talk(*never, 40);
  never->add({"user", kQuestion});
  const Answer want = never->answer(greedy());
  ASSERT_FALSE(want.ids.empty());
  ASSERT_FALSE(want.retrieved.empty());

  for (int part = 0; part < 3; ++part) {  // each in a bank that was closed and opened again
    const auto bank = open_bank();
    const auto session = open(bank, {.name = "a", .read_at_once = part < 2, .seed = 1});
    EXPECT_EQ(session->resumed(), part > 0);
    EXPECT_EQ(session->stream().unread() > 0, part == 2);
    if (part == 0) {
      session->add({"user", kFact});
      session->add({"assistant", "Your umbrella: under the stairs. Noted."});
      talk(*session, 23);
      session->save();
    } else if (part == 1) {
      talk(*session, 17, 23);
      session->save();
    } else {
      EXPECT_EQ(session->turns().size(), 82U);
      session->add({"user", kQuestion});
      const Answer got = session->answer(greedy());
      EXPECT_EQ(got.ids, want.ids);
      EXPECT_EQ(got.text, want.text);
      ASSERT_EQ(got.retrieved.size(), want.retrieved.size());
      for (size_t i = 0; i < got.retrieved.size(); ++i) {
        EXPECT_EQ(got.retrieved[i].begin, want.retrieved[i].begin);
        EXPECT_NEAR(got.retrieved[i].score, want.retrieved[i].score, 1e-5);
        EXPECT_NEAR(got.retrieved[i].attention, want.retrieved[i].attention, 1e-4);
      }
      EXPECT_EQ(session->tokens(), never->tokens());
      EXPECT_EQ(session->stream().tokens(), never->stream().tokens());
    }
  }
}

TEST_F(SessionTest, LogitsAfterResumeAgree) {
  const auto never = open(nullptr, {.name = "a"});
  talk(*never, 30);
  {
    const auto bank = open_bank();
    const auto session = open(bank, {.name = "a"});
    talk(*session, 30);
    session->save();
  }
  const auto bank = open_bank();
  const auto resumed = open(bank, {.name = "a"});
  const std::vector<int32_t> more = {5, 400, 500, 600};
  never->stream().read(more, Want::all);
  resumed->stream().read(more, Want::all);
  for (int64_t i = 0; i < never->stream().logits().elements(); ++i) {
    ASSERT_NEAR(resumed->stream().logits().data<float>()[i],
                never->stream().logits().data<float>()[i], 1e-4);
  }
}

TEST_F(SessionTest, KeepsTurnsChunksAndTail) {
  const auto bank = open_bank();
  const auto session = open(bank, {.name = "a"});
  talk(*session, 9);
  session->save();
  const auto snapshot = bank->snapshot();
  const auto document = snapshot->document(session->document());
  ASSERT_TRUE(document);
  EXPECT_EQ(document->kind, membank::DocumentKind::dialog);
  EXPECT_EQ(document->tokens, session->tokens());
  EXPECT_EQ(document->chunks, session->tokens() / 64);
  EXPECT_EQ(static_cast<int64_t>(document->tail.size()), session->tokens() % 64);
  const auto turns = snapshot->turns(document->id);
  ASSERT_EQ(turns.size(), 18U);
  EXPECT_EQ(turns[3].content, session->turns()[3].content);
  EXPECT_EQ(turns[3].begin, session->turns()[3].begin);
  EXPECT_EQ(turns[17].end, session->tokens());
}

TEST_F(SessionTest, WithoutSaveNothingIsKept) {
  {
    const auto bank = open_bank();
    const auto session = open(bank, {.name = "a"});
    talk(*session, 12);
    session->save();
  }
  const auto bank = open_bank(membank::OpenMode::read);
  const auto generation = bank->snapshot()->generation();
  const auto session = open(bank, {.name = "a", .save = false});
  EXPECT_TRUE(session->resumed());
  const int64_t before = session->tokens();
  session->add({"user", kQuestion});
  session->answer(greedy(8));
  EXPECT_GT(session->tokens(), before);
  EXPECT_EQ(bank->snapshot()->generation(), generation);
  EXPECT_THROW(open(bank, {.name = "b"}), Error) << "a bank for reading keeps no session";
}

TEST_F(SessionTest, ReadsOnlyWhatItsScopeAllows) {
  const auto bank = open_bank();
  const auto other = open(bank, {.name = "other", .name_space = "work"});
  talk(*other, 40);
  other->save();
  const auto found_with = [&](const ReadScope& scope) {
    const auto session = open(bank, {.name = "", .scope = scope});
    session->add({"user", "Can you find me a restaurant in Napa for noon?"});
    session->answer(greedy(2));
    return session->reading().size();
  };
  const auto top_k = static_cast<size_t>(model_->settings.top_k);
  EXPECT_EQ(found_with({}), 0U);
  EXPECT_EQ(found_with({.name_spaces = {"nobody"}}), 0U);
  EXPECT_EQ(found_with({.name_spaces = {"work"}}), top_k);
  EXPECT_EQ(found_with({.documents = {other->document()}}), top_k);
  EXPECT_EQ(found_with({.everything = true}), top_k);
}

TEST_F(SessionTest, ReadsWhatItsScopeAllowsFromNowOn) {
  const auto bank = open_bank();
  const auto other = open(bank, {.name = "other", .name_space = "work"});
  talk(*other, 40);
  other->save();
  const auto session = open(bank, {.name = ""});
  const auto found = [&] {
    session->add({"user", "Can you find me a restaurant in Napa for noon?"});
    session->answer(greedy(2));
    return session->reading().size();
  };
  EXPECT_EQ(found(), 0U);
  session->set_scope({.name_spaces = {"work"}});
  EXPECT_GT(found(), 0U);
  session->set_scope({});
  EXPECT_EQ(found(), 0U);
  EXPECT_TRUE(texts_of(*bank->snapshot(), "work").documents.empty()) << "a dialog is no text";
}

TEST_F(SessionTest, ReadsANamespaceOfItsScopeThatIsMadeLater) {
  const auto bank = open_bank();
  const auto session = open(bank, {.name = "", .scope = {.name_spaces = {"work"}}});
  const auto found = [&] {
    session->add({"user", "Can you find me a restaurant in Napa for noon?"});
    session->answer(greedy(2));
    return session->reading().size();
  };
  EXPECT_EQ(found(), 0U);
  const auto other = open(bank, {.name = "other", .name_space = "work"});
  talk(*other, 40);
  other->save();
  EXPECT_GT(found(), 0U);
}

TEST_F(SessionTest, ASeedDecidesOneAnswer) {
  GenerateOptions seeded;
  seeded.sampling.temperature = 1.5F;
  seeded.max_tokens = 30;
  seeded.seed = session_seed(7);
  const auto answer_with = [&](const GenerateOptions& options) {
    const auto session = open(nullptr, {.seed = 1});
    talk(*session, 3);
    session->add({"user", "Yes, please reserve it."});
    return session->answer(options).ids;
  };
  EXPECT_EQ(answer_with(seeded), answer_with(seeded));
  GenerateOptions other = seeded;
  other.seed = session_seed(8);
  EXPECT_NE(answer_with(other), answer_with(seeded));
  GenerateOptions going_on = seeded;
  going_on.seed = 0;
  EXPECT_EQ(answer_with(going_on), answer_with(going_on)) << "the session's own seed";
  EXPECT_NE(answer_with(going_on), answer_with(seeded));
}

TEST_F(SessionTest, TextOfAChunkKeepsMessagesApart) {
  const auto bank = open_bank();
  for (const bool kept : {false, true}) {
    const auto session = open(kept ? bank : nullptr, {.name = "a"});
    session->add({"user", kFact});
    session->add({"assistant", "Noted."});
    talk(*session, 14);
    session->save();  // nothing where there is no bank: then the chunk is in this process alone
    session->add({"user", kQuestion});
    const Answer answer = session->answer(greedy(1));
    const auto first = std::find_if(answer.retrieved.begin(), answer.retrieved.end(),
                                    [](const RetrievedChunk& chunk) { return chunk.begin == 0; });
    ASSERT_NE(first, answer.retrieved.end());
    EXPECT_EQ(first->id != 0, kept);
    EXPECT_TRUE(session->text_of(*first).starts_with(std::string(kFact) + " | Noted. | Can you "))
        << session->text_of(*first);
  }
}

TEST_F(SessionTest, AnswersStopAtTheirEndOrWhenToldTo) {
  const auto session = open(nullptr, {});
  talk(*session, 3);
  session->add({"user", "Yes, please reserve it."});
  const Answer answer = session->answer(greedy(120));
  EXPECT_EQ(answer.reason, StopReason::end) << answer.text;
  EXPECT_EQ(session->turns().back().content, answer.text);
  EXPECT_EQ(session->stream().tokens().back(), 6) << "an answer is closed with <|end|>";
  session->add({"user", "And what about Napa?"});
  int pieces = 0;
  const Answer cut = session->answer(greedy(60), [&](std::string_view) { return ++pieces < 3; });
  EXPECT_EQ(cut.reason, StopReason::interrupted);
  EXPECT_EQ(session->stream().tokens().back(), 6);
  session->add({"user", "Thanks."});
  EXPECT_EQ(session->answer(greedy(2)).reason, StopReason::length);
  EXPECT_THROW(session->add({"wizard", "hello"}), Error);
}

TEST_F(SessionTest, AChunkThatLiesOutsideItsDialogIsNamed) {
  const auto bank = open_bank();
  const membank::Fingerprint& f = bank->fingerprint();
  const int32_t tau = f.chunk_tokens;
  for (const int64_t begin : {int64_t{100} * tau, int64_t{-1} * tau}) {
    const std::string name = "a" + std::to_string(begin);
    membank::ChunkId chunk = 0;
    membank::DocumentId id = 0;
    bank->update([&](membank::Transaction& t) {
      membank::Document dialog{.name = name, .name_space = "default"};
      dialog.kind = membank::DocumentKind::dialog;
      dialog.tokens = tau;
      id = t.begin_copy(dialog);
      const Tensor kv = Tensor::zeros({f.kv_heads, tau, f.head_dim}, DType::f32);
      const std::vector<float> vector(static_cast<size_t>(f.embedder_dim), 0.5F);
      const std::vector<int32_t> ids(static_cast<size_t>(tau), 7);
      chunk = t.copy_chunk(id, {.tokens = tau, .begin = begin}, ids, vector, kv, kv);
      t.finish_copy(id, dialog);
    });
    try {
      open(bank, {.name = name});
      FAIL() << "it was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      EXPECT_EQ(error.what(), "session '" + name + "': chunk " + std::to_string(chunk) +
                                  " does not lie within its document " + std::to_string(id) +
                                  "; memlong-bank verify lists all");
    }
  }
}

TEST_F(SessionTest, AFailedRetentionDoesNotStoreChunksTwice) {
  const auto bank = open_bank();
  const auto failing = std::make_shared<FailsOnSecondUpdate>(bank);
  SessionOptions options{.name = "a"};
  options.retention = {.policy = membank::RetentionPolicy::fifo, .chunks = 4, .bytes = 0};
  const auto session = open(failing, options);
  talk(*session, 20);
  EXPECT_THROW(session->save(), Error);
  talk(*session, 1, 20);
  failing->updates = -1000;
  session->save();
  const auto document = bank->snapshot()->document(session->document());
  ASSERT_TRUE(document);
  EXPECT_EQ(document->tokens, session->tokens());
}

TEST_F(SessionTest, LongTalkIsKeptBeforeAnybodyAnswers) {
  const auto bank = open_bank();
  const auto session = open(bank, {.name = "a"});
  talk(*session, 130);
  ASSERT_GT(session->tokens(), 80 * 64);
  EXPECT_GT(bank->snapshot()->last_chunk(), 60U);
}

TEST_F(SessionTest, NothingNewIsNoCommit) {
  const auto bank = open_bank();
  const auto session = open(bank, {.name = "a"});
  session->save();
  EXPECT_TRUE(bank->snapshot()->documents().empty());
  talk(*session, 1);
  session->save();
  const auto generation = bank->snapshot()->generation();
  session->save();
  EXPECT_EQ(bank->snapshot()->generation(), generation);
}

TEST_F(SessionTest, ASinkThatThrowsLeavesADialogThatGoesOn) {
  const auto bank = open_bank();
  const auto session = open(bank, {.name = "a"});
  session->add({"user", kQuestion});
  EXPECT_THROW(session->answer(greedy(), [](std::string_view) -> bool { throw 1; }), int);
  ASSERT_EQ(session->turns().size(), 2U);
  EXPECT_EQ(session->turns().back().end, session->tokens());
  session->add({"user", "Thanks."});
  session->answer(greedy(2));
  EXPECT_EQ(open(bank, {.name = "a", .save = false})->tokens(), session->tokens());
}

TEST_F(SessionTest, AnAnswerIsClosedLikeOneThatIsKnown) {
  for (const std::string name : {"plain", "llama2", "vicuna"}) {
    const auto model = std::make_shared<LoadedModel>(*model_);
    model->chat = tokenizer::make_chat_template(name, model->tokens);
    Session session(context_, model, embedder_, nullptr, {});
    session.add({"user", kQuestion});
    EXPECT_EQ(session.answer(greedy(4)).ids.size(), 4U) << name;
    Session known(context_, model, embedder_, nullptr, {});
    known.add({"user", kQuestion});
    known.add({"assistant", "Under the stairs."});
    const auto closing = [](const Session& of) {
      const auto& tokens = of.stream().tokens();
      return std::vector<int32_t>(tokens.begin() + of.turns().back().content_end, tokens.end());
    };
    EXPECT_EQ(closing(session), closing(known)) << name;
  }
}

TEST_F(SessionTest, AStopTextIsNoPartOfTheDialog) {
  const auto session = open(nullptr, {});
  talk(*session, 3);
  session->add({"user", "Yes, please reserve it."});
  const auto whole = open(nullptr, {});
  talk(*whole, 3);
  whole->add({"user", "Yes, please reserve it."});
  const Answer all = whole->answer(greedy(12));
  ASSERT_GT(all.text.size(), 12U);
  GenerateOptions options = greedy(40);
  options.stop = {all.text.substr(9, 6)};
  const Answer cut = session->answer(options);
  EXPECT_EQ(cut.reason, StopReason::stop_text);
  EXPECT_EQ(cut.text, all.text.substr(0, 9));
  const membank::Turn& turn = session->turns().back();
  const auto& tokens = session->stream().tokens();
  const std::vector<int32_t> said(tokens.begin() + turn.content_begin,
                                  tokens.begin() + turn.content_end);
  EXPECT_EQ(said, cut.ids);
  EXPECT_LT(cut.ids.size(), all.ids.size());
  EXPECT_TRUE(std::equal(said.begin(), said.end(), all.ids.begin()));
}

}  // namespace
}  // namespace memlong::engine
