#include <limits>

#include "ops/copy.h"
#include "ops/device/attention_operands.h"

namespace memlong::ops::device_test {
namespace {

/// A forward call, and where its gradients go. Memory's are added to what is there.
struct Gradients {
  Operands forward;
  Tensor dout, dq, dk, dv;
  std::vector<Tensor> owned;
  std::vector<MemoryGradient> memory;

  Gradients(OpRun& run, const Dimensions& d, DType dtype, bool with_memory, uint32_t seed)
      : forward(run, d, dtype, seed),
        dout(run.random(forward.q.shape(), dtype, seed + 100)),
        dq(run.empty(forward.q.shape(), dtype)),
        dk(run.empty(forward.k.shape(), dtype)),
        dv(run.empty(forward.k.shape(), dtype)) {
    if (!with_memory) return;
    for (const MemorySegment& segment : forward.segments) {
      owned.push_back(run.random(segment.k.shape(), DType::f32, seed + 101));
      owned.push_back(run.random(segment.k.shape(), DType::f32, seed + 102));
      memory.push_back({owned[owned.size() - 2].view(), owned.back().view()});
    }
  }
  [[nodiscard]] AttentionBackwardArgs args() const {
    return {forward.args(), dout, dq, dk, dv, memory};
  }
};

/// Both ways of all calls. Names of results end in the call's number.
void run_all(OpRun& run, const std::vector<AttentionBackwardArgs>& calls) {
  std::vector<AttentionArgs> forward;
  for (const AttentionBackwardArgs& call : calls) forward.push_back(call.forward);
  attention(run.context(), forward);
  attention_backward(run.context(), calls);
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string end = std::to_string(i);
    run.result("dq" + end, calls[i].dq);
    run.result("dk" + end, calls[i].dk);
    run.result("dv" + end, calls[i].dv);
    for (size_t j = 0; j < calls[i].memory.size(); ++j) {
      const MemoryGradient& memory = calls[i].memory[j];
      const std::string of_memory = "_memory" + end + "_" + std::to_string(j);
      if (!memory.dk.empty()) run.result("dk" + of_memory, memory.dk);
      if (!memory.dv.empty()) run.result("dv" + of_memory, memory.dv);
    }
  }
}

std::vector<Dimensions> shapes() {
  return {
      {2, 2, 2, 9, 0, {3}},
      {3, 3, 20, 70, 5, {64, 0, 17}},  // segments without memory
      {4, 2, 64, 40, 33, {130}},       //
      {4, 1, 100, 33, 20, {64, 5}},    // 8-byte rows, groups of four
      {4, 2, 128, 20, 50, {33}},       //
      {2, 1, 256, 35, 20, {7}},        //
      {2, 1, 90, 20, 3, {5}},          // rows of 4 bytes
      {70, 1, 4, 3, 2, {5}},           // more heads in a group than rows in a tile
      {2, 1, 20, 5, 3, {7}, 140},      // keys that nobody reads
      {4, 2, 64, 1, 6},                //
  };
}

void one(OpRun& run, const Dimensions& d, DType dtype) {
  const Gradients gradients(run, d, dtype, true, 1);
  run_all(run, {gradients.args()});
}

/// Keys past the last row may hold anything, and get no gradient.
void poisoned(OpRun& run, DType dtype) {
  const Gradients gradients(run, {2, 1, 20, 5, 3, {7}, 30}, dtype, true, 1);
  const TensorView k = gradients.forward.k.view().slice(1, 8, 38);
  const TensorView v = gradients.forward.v.view().slice(1, 8, 38);
  const Tensor poison = run.random({1, 30, 20}, dtype, 4, std::numeric_limits<float>::quiet_NaN());
  copy(run.context(), poison, k);
  copy(run.context(), poison, v);
  run_all(run, {gradients.args()});
}

/// Segments whose gradients go to the same place, or to none.
void shared_memory_gradients(OpRun& run, DType dtype) {
  Gradients gradients(run, {4, 2, 20, 50, 5, {70, 70, 33, 70, 33}}, dtype, true, 2);
  gradients.memory[1] = gradients.memory[0];
  gradients.memory[2].dk = {};
  gradients.memory[3].dv = gradients.memory[0].dv;
  gradients.memory[4] = {};
  run_all(run, {gradients.args()});
}

void constant_memory(OpRun& run, DType dtype) {
  const Gradients gradients(run, {4, 2, 64, 20, 5, {70}}, dtype, false, 3);
  run_all(run, {gradients.args()});
}

void batch(OpRun& run, DType dtype) {
  const Gradients first(run, {4, 2, 64, 40, 0}, dtype, true, 10);
  const Gradients second(run, {4, 2, 64, 3, 20, {50}}, dtype, true, 20);
  const Gradients third(run, {3, 1, 20, 60, 7, {64, 30}}, dtype, true, 30);
  const Gradients without_rows(run, {2, 2, 20, 0, 7}, dtype, true, 40);
  run_all(run, {first.args(), second.args(), third.args(), without_rows.args()});
}

/// Everything between other columns, keys as [S, G, D]; with shift 1 nothing is aligned.
void strided(OpRun& run, DType dtype, int64_t shift) {
  const Gradients gradients(run, {4, 2, 20, 30, 10, {24}}, dtype, true, 5);
  AttentionBackwardArgs args = gradients.args();
  std::vector<Tensor> owned;
  const auto queries = [&](bool random, uint32_t seed) {
    const Shape shape = {30, 240 + shift};
    owned.push_back(random ? run.random(shape, dtype, seed) : run.empty(shape, dtype));
    return owned.back().view().slice(1, 80 + shift, 160 + shift).split_last(20);
  };
  const auto keys = [&](bool random, uint32_t seed) {
    const Shape shape = {40, 2, 20 + shift};
    owned.push_back(random ? run.random(shape, dtype, seed) : run.empty(shape, dtype));
    return owned.back().view().slice(2, shift, 20 + shift).permute({1, 0, 2});
  };
  args.forward.q = queries(true, 6);
  args.forward.k = keys(true, 7);
  args.forward.v = keys(true, 8);
  args.dout = queries(true, 9);
  args.dq = queries(false, 0);
  args.dk = keys(false, 0);
  args.dv = keys(false, 0);
  run_all(run, {args});
}

std::vector<OpCase> backward_cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string type(dtype_name(dtype));
    for (const Dimensions& d : shapes()) {
      cases.push_back({name_of(d, dtype), [=](OpRun& run) { one(run, d, dtype); }});
    }
    cases.push_back({type + "_poisoned", [=](OpRun& run) { poisoned(run, dtype); }});
    cases.push_back({type + "_shared_memory_gradients",
                     [=](OpRun& run) { shared_memory_gradients(run, dtype); }});
    cases.push_back({type + "_constant_memory", [=](OpRun& run) { constant_memory(run, dtype); }});
    cases.push_back({type + "_batch", [=](OpRun& run) { batch(run, dtype); }});
    cases.push_back({type + "_strided", [=](OpRun& run) { strided(run, dtype, 4); }});
    cases.push_back({type + "_odd_strides", [=](OpRun& run) { strided(run, dtype, 1); }});
  }
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(AttentionBackward, DeviceOp, testing::ValuesIn(backward_cases()),
                         case_name);

}  // namespace memlong::ops::device_test
