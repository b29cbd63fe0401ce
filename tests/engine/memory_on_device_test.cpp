// A bank searched by a device: the same chunks in every scope, also after some came and some went.
#include <random>

#include <gtest/gtest.h>

#include "engine/memory.h"
#include "retriever/plain_device.h"
#include "support/temp_folder.h"

namespace memlong::engine {
namespace {

constexpr int32_t kDim = 16;

class MemoryOnDevice : public testing::Test {
 protected:
  std::shared_ptr<membank::Bank> open() {
    membank::Fingerprint fingerprint;
    fingerprint.tokenizer = "t";
    fingerprint.writer = "w";
    fingerprint.kv_heads = 1;
    fingerprint.head_dim = 2;
    fingerprint.chunk_tokens = 4;
    fingerprint.embedder = "sif";
    fingerprint.embedder_dim = kDim;
    return membank::Bank::open(folder_.path() / "bank",
                               {.mode = membank::OpenMode::write, .fingerprint = fingerprint});
  }

  std::vector<float> random_vector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDim);
    for (float& value : vector) value = normal(generator_);
    return vector;
  }

  membank::DocumentId add_document(int chunks, const std::string& name_space) {
    membank::NewDocument document;
    document.name = "d";
    document.name_space = name_space;
    membank::DocumentId id = 0;
    bank_->update([&](membank::Transaction& transaction) {
      id = transaction.create_document(document);
      const Tensor kv = Tensor::zeros({1, 4, 2}, DType::bf16);
      const std::vector<int32_t> ids = {1, 2, 3, 4};
      for (int i = 0; i < chunks; ++i) transaction.append_chunk(id, ids, random_vector(), kv, kv);
      transaction.finish_document(id);
    });
    return id;
  }

  void expect_same(const Memory& plain, const Memory& tested, const ReadScope& scope) {
    const std::vector<std::vector<float>> queries = {random_vector(), random_vector()};
    const std::vector<FoundChunk> expected = plain.search(queries, 6, plain.scope_filter(scope));
    const std::vector<FoundChunk> found = tested.search(queries, 6, tested.scope_filter(scope));
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].info.id, expected[i].info.id);
      EXPECT_EQ(found[i].score, expected[i].score);
    }
  }

  test::TempFolder folder_;
  std::mt19937 generator_{7};
  std::shared_ptr<membank::Bank> bank_ = open();
};

TEST_F(MemoryOnDevice, FindsWhatTheProcessorFindsInEveryScope) {
  const membank::DocumentId gone = add_document(50, "a");
  const membank::DocumentId kept = add_document(70, "b");
  const auto device = std::make_shared<retriever::PlainDevice>(32);
  Memory plain(bank_, {});
  Memory tested(bank_, {.device = device, .device_rows = 16});
  const auto compare = [&] {
    plain.refresh();
    tested.refresh();
    for (const ReadScope& scope : {ReadScope{{}, {}, true}, ReadScope{{"b"}, {}, false},
                                   ReadScope{{"a"}, {kept}, false}, ReadScope{{}, {gone}, false}}) {
      expect_same(plain, tested, scope);
    }
  };
  compare();
  EXPECT_EQ(device->counts.loaded, 120);
  EXPECT_GT(device->counts.queries, device->counts.searches) << "queries go together";
  add_document(10, "a");
  compare();
  EXPECT_EQ(device->counts.loaded, 120) << "what is new waits in main memory";
  bank_->update([&](membank::Transaction& transaction) { transaction.forget(gone); });
  compare();
  EXPECT_EQ(device->counts.loaded, 80) << "what was forgotten is no longer on the device";
}

}  // namespace
}  // namespace memlong::engine
