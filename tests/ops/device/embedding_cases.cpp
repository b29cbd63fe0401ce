#include "ops/device/op_run.h"
#include "ops/embedding.h"

namespace memlong::ops::device_test {
namespace {

std::string name_of(DType dtype, int64_t tokens, int64_t columns) {
  return std::string(dtype_name(dtype)) + "_" + std::to_string(tokens) + "x" +
         std::to_string(columns);
}

constexpr int64_t kVocabulary = 40;

/// Half of them 7, the others spread over the vocabulary but for its upper ids.
std::vector<int32_t> some_ids(int64_t tokens) {
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < tokens; ++t) {
    ids.push_back(t % 2 == 1 ? 7 : static_cast<int32_t>(t * 11 % (kVocabulary - 3)));
  }
  return ids;
}

std::vector<OpCase> forward_cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const int64_t columns : {1, 20, 64, 2056}) {
      const int64_t tokens = columns == 2056 ? 1 : 33;
      cases.push_back({name_of(dtype, tokens, columns), [=](OpRun& run) {
                         const Tensor table = run.random({kVocabulary, columns}, dtype, 1);
                         const Tensor out = run.empty({tokens, columns}, DType::f32);
                         embedding(run.context(), table, some_ids(tokens), out);
                         run.result("out", out);
                       }});
    }
  }
  cases.push_back({"strided", [](OpRun& run) {
                     const Tensor table = run.random({kVocabulary, 70}, DType::bf16, 2);
                     const Tensor out = run.empty({9, 50}, DType::f32);
                     embedding(run.context(), table.view().slice(1, 3, 35), some_ids(9),
                               out.view().slice(1, 8, 40));
                     run.result("wide", out);
                   }});
  cases.push_back({"of_ids_on_the_device", [](OpRun& run) {
                     std::vector<int32_t> ids = some_ids(9);
                     const Tensor table = run.random({kVocabulary, 20}, DType::bf16, 2);
                     const Tensor out = run.empty({9, 20}, DType::f32);
                     const TensorView host(ids.data(), DType::i32, {9});
                     embedding_of_view(run.context(), table, run.upload(host), out);
                     run.result("out", out);
                   }});
  cases.push_back({"twice", [](OpRun& run) {  // the second call takes the scratch of the first
                     const Tensor table = run.random({kVocabulary, 8}, DType::f32, 3);
                     const Tensor first = run.empty({3, 8}, DType::f32);
                     const Tensor second = run.empty({3, 8}, DType::f32);
                     const std::vector<int32_t> all = some_ids(6);
                     embedding(run.context(), table, std::span(all).first(3), first);
                     embedding(run.context(), table, std::span(all).last(3), second);
                     run.result("first", first);
                     run.result("second", second);
                   }});
  return cases;
}

std::vector<OpCase> backward_cases() {
  std::vector<OpCase> cases;
  for (const int64_t columns : {1, 20, 64, 1032}) {
    for (const int64_t tokens : {1, 77}) {
      cases.push_back({name_of(DType::f32, tokens, columns), [=](OpRun& run) {
                         const Tensor dout = run.random({tokens, columns}, DType::f32, 1);
                         const Tensor dtable = run.random({kVocabulary, columns}, DType::f32, 2);
                         embedding_backward(run.context(), some_ids(tokens), dout, dtable);
                         run.result("dtable", dtable);
                       }});
    }
  }
  cases.push_back({"strided", [](OpRun& run) {
                     const Tensor dout = run.random({30, 50}, DType::f32, 3);
                     const Tensor dtable = run.random({kVocabulary, 61}, DType::f32, 4);
                     embedding_backward(run.context(), some_ids(30), dout.view().slice(1, 8, 40),
                                        dtable.view().slice(1, 5, 37));
                     run.result("wide", dtable);
                   }});
  cases.push_back({"some_go_nowhere", [](OpRun& run) {
                     const Tensor dout = run.random({30, 16}, DType::f32, 5);
                     const Tensor dtable = run.random({kVocabulary, 16}, DType::f32, 6);
                     std::vector<int32_t> ids = some_ids(30);
                     for (size_t t = 0; t < ids.size(); t += 3) ids[t] = -1;
                     ids[1] = kVocabulary - 1;
                     embedding_backward(run.context(), ids, dout, dtable);
                     std::fill(ids.begin(), ids.end(), -1);
                     embedding_backward(run.context(), ids, dout, dtable);
                     run.result("dtable", dtable);
                   }});
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Embedding, DeviceOp, testing::ValuesIn(forward_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(EmbeddingBackward, DeviceOp, testing::ValuesIn(backward_cases()),
                         case_name);

}  // namespace memlong::ops::device_test
