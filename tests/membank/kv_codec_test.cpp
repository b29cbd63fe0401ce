#include "membank/kv_codec.h"

#include <string>

#include <gtest/gtest.h>

#include "membank/bank_fixture.h"

namespace memlong::membank {
namespace {

using testing::open_writer;
using testing::SampleChunk;
using testing::small_fingerprint;
using testing::TempFolder;

class KvCodec : public ::testing::TestWithParam<std::tuple<DType, int>> {};

TEST_P(KvCodec, ReturnsEveryElementWhateverTheSplit) {
  Fingerprint f = small_fingerprint();
  f.kv_dtype = std::get<0>(GetParam());
  f.head_dim = std::get<1>(GetParam());
  const int tokens = 3;
  const SampleChunk chunk(f, 5, tokens);
  const size_t bytes = kv_bytes(f, tokens);
  EXPECT_EQ(bytes, 2U * 2U * 3U * static_cast<size_t>(f.head_dim) * dtype_size(f.kv_dtype));
  std::string head(bytes - 20, '\0');
  std::string tail(20, '\0');
  encode_kv(chunk.k, chunk.v, f.kv_dtype, head.data(), head.size(), tail.data(), tail.size());
  const Tensor k = Tensor::zeros(chunk.k.shape(), DType::f32);
  const Tensor v = Tensor::zeros(chunk.v.shape(), DType::f32);
  decode_kv(head, tail, f.kv_dtype, k, v);
  for (int64_t i = 0; i < k.view().elements(); ++i) {
    ASSERT_EQ(k.data<float>()[i], chunk.k.data<float>()[i]);
    ASSERT_EQ(v.data<float>()[i], chunk.v.data<float>()[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(TypesAndHeads, KvCodec,
                         ::testing::Combine(::testing::Values(DType::f32, DType::bf16, DType::f16),
                                            ::testing::Values(2, 6, 8, 100)));

TEST(KvCodecStrides, AWindowOfACacheGoesInAndOut) {
  const TempFolder folder;
  const Fingerprint f = small_fingerprint();
  const auto bank = open_writer(folder.path());
  // [G, S, D] of a larger cache, and a permuted [T, G, D].
  const Tensor cache = Tensor::zeros({2, 20, 8}, DType::bf16);
  const Tensor flat = Tensor::zeros({8, 2, 8}, DType::bf16);
  for (int i = 0; i < 320; ++i) cache.data<bf16>()[i] = bf16(static_cast<float>(i % 97));
  for (int i = 0; i < 128; ++i) flat.data<bf16>()[i] = bf16(static_cast<float>(i % 89));
  const SampleChunk sample(f, 1, 8);
  bank->update([&](Transaction& t) {
    t.append_chunk(t.create_document(testing::named("a")), sample.ids, sample.vector,
                   cache.view().slice(1, 4, 12), flat.view().permute({1, 0, 2}));
  });
  const Tensor wide = Tensor::zeros({2, 30, 8}, DType::f32);
  const Tensor v = Tensor::zeros({2, 8, 8}, DType::f16);
  ASSERT_TRUE(bank->snapshot()->read_kv(1, wide.view().slice(1, 16, 24), v));
  for (int g = 0; g < 2; ++g) {
    for (int t = 0; t < 8; ++t) {
      for (int d = 0; d < 8; ++d) {
        EXPECT_EQ(wide.data<float>()[(g * 30 + 16 + t) * 8 + d],
                  static_cast<float>(cache.data<bf16>()[(g * 20 + 4 + t) * 8 + d]));
        EXPECT_EQ(static_cast<float>(v.data<f16>()[(g * 8 + t) * 8 + d]),
                  static_cast<float>(flat.data<bf16>()[(t * 2 + g) * 8 + d]));
      }
    }
  }
  EXPECT_EQ(wide.data<float>()[15 * 8], 0.0F);
  EXPECT_EQ(wide.data<float>()[24 * 8], 0.0F);
}

}  // namespace
}  // namespace memlong::membank
