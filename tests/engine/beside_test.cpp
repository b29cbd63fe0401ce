// Chunks beside those that were found and chunks right before the window: in the bank, not in it
// yet, and across the border.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/dialog_memory.h"
#include "support/reference_model.h"

namespace memlong::engine {
namespace {

using membank::ChunkId;
using membank::DocumentId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kTokens = 64;  // of a chunk of the reference model

class Beside : public testing::Test {
 protected:
  void SetUp() override {
    const auto shipped = test::reference_model(context_, DType::bf16);
    auto model = std::make_shared<LoadedModel>(*shipped);
    model->settings.top_k = 3;
    model->settings.neighbours = 1;
    model_ = model;
    bank_ = membank::Bank::open(folder_.path() / "bank", {.mode = membank::OpenMode::write,
                                                          .fingerprint = model_->fingerprint()});
  }

  /// A chunk whose vector points along the axis of its place.
  [[nodiscard]] EncodedChunk made(int64_t place) const {
    EncodedChunk chunk;
    chunk.begin = place * kTokens;
    chunk.ids.assign(kTokens, 5);
    chunk.vector = query(place);
    chunk.k =
        Tensor::zeros({model_->config.kv_heads, kTokens, model_->config.head_dim}, DType::bf16);
    chunk.v = Tensor::zeros(chunk.k.shape(), DType::bf16);
    return chunk;
  }

  [[nodiscard]] std::vector<float> query(int64_t place) const {
    std::vector<float> vector(static_cast<size_t>(model_->fingerprint().embedder_dim), 0.0F);
    vector[static_cast<size_t>(place)] = 1.0F;
    return vector;
  }

  DocumentId create(const char* name) {
    DocumentId id = 0;
    bank_->update([&](membank::Transaction& change) {
      id = change.create_document({.name = name, .name_space = "default"});
    });
    return id;
  }

  ChunkId store(DocumentId document, int64_t place) {
    ChunkId id = 0;
    bank_->update([&](membank::Transaction& change) {
      const EncodedChunk chunk = made(place);
      id = change.append_chunk(document, chunk.ids, chunk.vector, chunk.k, chunk.v);
    });
    return id;
  }

  [[nodiscard]] std::shared_ptr<Memory> memory() const {
    return std::make_shared<Memory>(bank_, retriever::IndexOptions{});
  }

  /// Where the chunks begin that a window reads which asks for what lies at `place`; in chunks.
  static std::vector<int64_t> places(DialogMemory& memory, const std::vector<float>& asked,
                                     int64_t window_start, bool as_text = false) {
    const auto set =
        memory.retrieve({.queries = {asked}, .window_start = window_start, .as_text = as_text});
    std::vector<int64_t> places;
    for (const RetrievedChunk& chunk : set->chunks) places.push_back(chunk.begin / kTokens);
    return places;
  }

  std::unique_ptr<DialogMemory> dialog(const std::shared_ptr<Memory>& memory, DocumentId document) {
    auto dialog = std::make_unique<DialogMemory>(context_, model_, memory, ReadScope{});
    dialog->set_document(document);
    return dialog;
  }

  Context context_;
  const test::TempFolder folder_;
  std::shared_ptr<LoadedModel> model_;
  std::shared_ptr<membank::Bank> bank_;
};

constexpr int64_t kFar = 100 * kTokens;

TEST_F(Beside, StoredChunksBringTheirOwnDocuments) {
  const DocumentId one = create("one");
  const DocumentId two = create("two");
  std::vector<ChunkId> ids;
  for (int64_t place = 0; place < 6; ++place) {
    ids.push_back(store(one, place));
    store(two, place + 10);  // between the chunks of the other
  }
  const auto memory = this->memory();
  EXPECT_EQ(memory->beside(ids[0], -1), nullptr);
  EXPECT_EQ(memory->beside(ids[5], 1), nullptr);
  ASSERT_NE(memory->beside(ids[2], 1), nullptr);
  EXPECT_EQ(memory->beside(ids[2], 1)->id, ids[3]);
  EXPECT_EQ(memory->beside(ids[2], -1)->id, ids[1]);
  EXPECT_EQ(memory->beside(999, 1), nullptr);
  EXPECT_EQ(memory->last_of(one)->id, ids[5]);
  EXPECT_EQ(memory->last_of(77), nullptr);

  const auto own = dialog(memory, one);
  EXPECT_THAT(places(*own, query(3), kFar), ElementsAre(2, 3, 4));
  EXPECT_THAT(places(*own, query(3), 4 * kTokens), ElementsAre(0, 2, 3)) << "4 is in the window";
}

TEST_F(Beside, AGapIsNoNeighbour) {
  const DocumentId one = create("one");
  std::vector<ChunkId> ids;
  for (int64_t place = 0; place < 5; ++place) ids.push_back(store(one, place));
  bank_->remove_chunks(std::span(&ids[3], 1));
  const auto memory = this->memory();
  EXPECT_EQ(memory->beside(ids[2], 1), nullptr);
  EXPECT_EQ(memory->beside(ids[4], -1), nullptr);
  const auto own = dialog(memory, one);
  EXPECT_THAT(places(*own, query(4), kFar), ElementsAre(0, 1, 4));
}

TEST_F(Beside, ChunksThatAreNotStoredYet) {
  const auto own = dialog(nullptr, 0);
  for (int64_t place = 0; place < 6; ++place) own->completed(made(place));
  EXPECT_THAT(places(*own, query(2), kFar), ElementsAre(1, 2, 3));
  EXPECT_THAT(places(*own, query(0), kFar), ElementsAre(0, 1, 2));
  EXPECT_THAT(places(*own, query(2), 3 * kTokens), ElementsAre(0, 1, 2));
}

TEST_F(Beside, AcrossTheBorderOfWhatIsStored) {
  const DocumentId one = create("one");
  for (int64_t place = 0; place < 3; ++place) store(one, place);
  const auto own = dialog(memory(), one);
  for (int64_t place = 3; place < 6; ++place) own->completed(made(place));
  EXPECT_THAT(places(*own, query(2), kFar), ElementsAre(1, 2, 3));
  EXPECT_THAT(places(*own, query(3), kFar), ElementsAre(2, 3, 4));
}

TEST_F(Beside, NothingInAnEmptyMemory) {
  const auto own = dialog(memory(), 0);
  EXPECT_THAT(places(*own, query(1), kFar), IsEmpty());
}

class Recent : public Beside {
 protected:
  void SetUp() override {
    Beside::SetUp();
    model_->settings.top_k = 1;
    model_->settings.neighbours = 0;
    model_->settings.recent_chunks = 2;
    model_->settings.recency = 0.0;
  }
};

TEST_F(Recent, AreReadBesideWhatIsFound) {
  const DocumentId one = create("one");
  const DocumentId two = create("two");
  for (int64_t place = 0; place < 6; ++place) {
    store(one, place);
    store(two, place + 10);  // newer, but of another document
  }
  const auto own = dialog(memory(), one);
  EXPECT_THAT(places(*own, query(1), 6 * kTokens, true), ElementsAre(1, 4, 5));
  EXPECT_THAT(places(*own, query(1), 4 * kTokens, true), ElementsAre(1, 2, 3));
  EXPECT_THAT(places(*own, query(1), 4 * kTokens + 7, true), ElementsAre(1, 2, 3));
  EXPECT_THAT(places(*own, query(1), kFar, false), ElementsAre(1)) << "a question does not";
}

TEST_F(Recent, TakeNoPlaceOfWhatIsFound) {
  const auto own = dialog(nullptr, 0);
  for (int64_t place = 0; place < 6; ++place) own->completed(made(place));
  EXPECT_THAT(places(*own, query(5), 6 * kTokens, true), ElementsAre(0, 4, 5))
      << "5 is there already, and of the others none is better than the first";
  EXPECT_THAT(places(*own, query(0), 2 * kTokens, true), ElementsAre(0, 1)) << "there are no more";
}

TEST_F(Recent, AcrossTheBorderOfWhatIsStored) {
  const DocumentId one = create("one");
  for (int64_t place = 0; place < 3; ++place) store(one, place);
  const auto own = dialog(memory(), one);
  for (int64_t place = 3; place < 6; ++place) own->completed(made(place));
  EXPECT_THAT(places(*own, query(0), 4 * kTokens, true), ElementsAre(0, 2, 3));
  EXPECT_THAT(places(*own, query(0), 3 * kTokens, true), ElementsAre(0, 1, 2));
}

TEST_F(Recent, EndWhereAChunkIsMissing) {
  const DocumentId one = create("one");
  std::vector<ChunkId> ids;
  for (int64_t place = 0; place < 6; ++place) ids.push_back(store(one, place));
  bank_->remove_chunks(std::span(&ids[4], 1));
  EXPECT_THAT(places(*dialog(memory(), one), query(1), 6 * kTokens, true), ElementsAre(1, 5));
  bank_->remove_chunks(std::span(&ids[5], 1));
  EXPECT_THAT(places(*dialog(memory(), one), query(1), 6 * kTokens, true), ElementsAre(1))
      << "3 is not right before the window";
  EXPECT_THAT(places(*dialog(memory(), one), query(1), 4 * kTokens + 63, true),
              ElementsAre(1, 2, 3));
}

TEST_F(Recent, TheNearerOfEquallyLikeChunksIsFound) {
  const DocumentId one = create("one");
  const DocumentId two = create("two");
  for (int64_t place = 0; place < 8; ++place) store(one, place);
  bank_->update([&](membank::Transaction& change) {
    const EncodedChunk chunk = made(20);
    change.append_chunk(two, chunk.ids, chunk.vector, chunk.k, chunk.v);
  });
  const auto asked = [&](int64_t more, int64_t less) {
    std::vector<float> vector = query(more);
    vector[static_cast<size_t>(less)] = 0.9F;
    return vector;
  };
  auto all = DialogMemory(context_, model_, memory(),
                          {.name_spaces = {}, .documents = {}, .everything = true});
  all.set_document(one);
  model_->settings.recency = 0.08;  // 1 is 7 chunks back, 5 is 3: 0.08 log2(7 / 3) = 0.098
  EXPECT_THAT(places(all, asked(1, 5), 8 * kTokens, true), ElementsAre(1, 6, 7));
  model_->settings.recency = 0.083;  // 0.101
  EXPECT_THAT(places(all, asked(1, 5), 8 * kTokens, true), ElementsAre(5, 6, 7));
  EXPECT_THAT(places(all, asked(1, 5), 8 * kTokens, false), ElementsAre(1)) << "a question";
  EXPECT_THAT(places(all, asked(20, 5), 8 * kTokens, true), ElementsAre(5, 6, 7))
      << "another text is as far away as the beginning: 9 chunks";
}

TEST_F(Recent, ANearChunkOvertakesAnyNumberOfLikerOnes) {
  const DocumentId one = create("one");
  const DocumentId two = create("two");
  const auto add = [&](membank::Transaction& change, DocumentId document, int64_t place,
                       float like) {
    EncodedChunk chunk = made(place);
    chunk.vector = query(200);
    chunk.vector[200] = std::sqrt(1.0F - like * like);
    chunk.vector[0] = like;
    change.append_chunk(document, chunk.ids, chunk.vector, chunk.k, chunk.v);
  };
  bank_->update([&](membank::Transaction& change) {
    for (int64_t place = 0; place < 120; ++place) {
      add(change, one, place, place < 60 ? 0.9F : 0.0F);
      add(change, two, place, 0.95F);
    }
    add(change, one, 120, 0.8F);
  });
  auto all = DialogMemory(context_, model_, memory(),
                          {.name_spaces = {}, .documents = {}, .everything = true});
  all.set_document(one);
  model_->settings.recent_chunks = 0;
  const int64_t end = 121 * kTokens;
  EXPECT_THAT(places(all, query(0), end, false), ElementsAre(0)) << "of the other text";
  model_->settings.recency = 0.05;  // 62 chunks back lose 0.30, the other text 0.35
  EXPECT_THAT(places(all, query(0), end, true), ElementsAre(120));
  model_->settings.recency = 0.015;  // 0.089; 0.104
  EXPECT_THAT(places(all, query(0), end, true), ElementsAre(0)) << "0.846 of the other text";
  model_->settings.recency = 0.018;  // 0.107; 0.125
  EXPECT_THAT(places(all, query(0), end, true), ElementsAre(0)) << "0.825 of the other text";
  model_->settings.recency = 0.022;  // 0.130; 0.153: 0.797
  EXPECT_THAT(places(all, query(0), end, true), ElementsAre(120));
}

TEST_F(Recent, AreNotCountedAsFound) {
  const DocumentId one = create("one");
  const DocumentId two = create("two");
  std::vector<ChunkId> ids;
  for (int64_t place = 0; place < 6; ++place) ids.push_back(store(one, place));
  const ChunkId other = store(two, 9);
  const auto own = dialog(memory(), one);
  EXPECT_THAT(places(*own, query(1), 6 * kTokens, true), ElementsAre(1, 4, 5));
  EXPECT_THAT(places(*own, query(5), kFar, false), ElementsAre(5));
  auto all = DialogMemory(context_, model_, memory(),
                          {.name_spaces = {}, .documents = {}, .everything = true});
  all.set_document(one);
  EXPECT_THAT(places(all, query(9), 6 * kTokens, true), UnorderedElementsAre(4, 5, 0))
      << "the only one of its document";
  bank_->flush_hits();
  const auto now = bank_->snapshot();
  std::vector<uint64_t> hits;
  hits.reserve(ids.size());
  for (const ChunkId id : ids) hits.push_back(now->chunk(id)->hits);
  EXPECT_THAT(hits, ElementsAre(0, 1, 0, 0, 0, 1));
  EXPECT_EQ(now->chunk(other)->hits, 1U);
}

TEST_F(Recent, NothingInAnEmptyMemory) {
  EXPECT_THAT(places(*dialog(memory(), 0), query(1), 6 * kTokens, true), IsEmpty());
  EXPECT_THAT(places(*dialog(memory(), create("one")), query(1), 6 * kTokens, true), IsEmpty());
}

}  // namespace
}  // namespace memlong::engine
