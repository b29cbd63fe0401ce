// Chunks beside those that were found: in the bank, not in it yet, and across the border.
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
                                     int64_t window_start) {
    const auto set = memory.retrieve(std::span(&asked, 1), window_start, window_start);
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
  std::shared_ptr<const LoadedModel> model_;
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

}  // namespace
}  // namespace memlong::engine
