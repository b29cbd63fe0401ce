#include "ops/copy.h"
#include "ops/device/attention_operands.h"

namespace memlong::ops::device_test {
namespace {

std::vector<Dimensions> shapes() {
  return {
      {2, 2, 2, 9, 0, {3}},         {3, 3, 20, 70, 5, {64, 0, 17}},  // segments without memory
      {4, 2, 64, 40, 33, {70}},                                      //
      {4, 1, 100, 33, 20, {64, 5}},                                  // 8-byte rows, groups of four
      {4, 2, 128, 20, 50, {33}},                                     //
      {2, 1, 256, 35, 64, {1}},                                      //
      {2, 1, 90, 20, 3, {5}},                                        // rows of 4 bytes
      {70, 1, 4, 3, 2, {5}},         // more heads in a group than rows in a tile
      {2, 1, 64, 5, 3, {}, 100},     // keys that nobody reads
      {8, 2, 64, 1, 300, {200}},     // decoding: keys in several pieces
      {4, 2, 20, 3, 500, {130, 5}},  // a few queries with two memories
      {2, 2, 100, 1, 130},           // one piece
  };
}

void forward(OpRun& run, const Dimensions& d, DType dtype) {
  const Operands operands(run, d, dtype, 1);
  attention(run.context(), operands.args());
  run.result("out", operands.out);
  run.result("lse", operands.lse);
}

/// q between other columns, k and v as [S, G, D] seen as [G, S, D], out by head; nothing aligned.
void strided(OpRun& run, DType dtype, int64_t shift) {
  const Operands operands(run, {4, 2, 20, 30, 10, {24}}, dtype, 5);
  const Tensor wide = run.random({30, 240 + shift}, dtype, 6);
  const Tensor keys = run.random({40, 2, 20 + shift}, dtype, 7);
  const Tensor values = run.random({40, 2, 20 + shift}, dtype, 8);
  const Tensor by_head = run.empty({4, 30, 20 + shift}, dtype);
  AttentionArgs args = operands.args();
  args.q = wide.view().slice(1, 80 + shift, 160 + shift).split_last(20);
  args.k = keys.view().slice(2, shift, 20 + shift).permute({1, 0, 2});
  args.v = values.view().slice(2, shift, 20 + shift).permute({1, 0, 2});
  args.out = by_head.view().slice(2, shift, 20 + shift).permute({1, 0, 2});
  attention(run.context(), args);
  run.result("out", args.out);
  run.result("whole", by_head);
}

void batch(OpRun& run, DType dtype) {
  const Operands first(run, {4, 2, 64, 40, 0}, dtype, 10);
  const Operands second(run, {4, 2, 64, 3, 200, {150}}, dtype, 20);
  const Operands third(run, {3, 1, 20, 60, 7, {64, 30}}, dtype, 30);
  const Operands empty(run, {2, 2, 20, 0, 7}, dtype, 40);
  AttentionArgs without_lse = third.args();
  without_lse.lse = {};
  const std::vector<AttentionArgs> calls = {first.args(), second.args(), without_lse, empty.args()};
  attention(run.context(), calls);
  run.result("first", first.out);
  run.result("first_lse", first.lse);
  run.result("second", second.out);
  run.result("second_lse", second.lse);
  run.result("third", third.out);
}

/// So many blocks that tiles have twice the rows.
void large_tiles(OpRun& run, DType dtype) {
  const Operands large(run, {4, 2, 100, 45, 30, {70}}, dtype, 10);
  const Operands many(run, {127, 127, 4, 1, 0}, dtype, 20);
  const std::vector<AttentionArgs> calls = {large.args(), many.args()};
  attention(run.context(), calls);
  run.result("large", large.out);
  run.result("large_lse", large.lse);
  run.result("many", many.out);
}

/// Many tiles: their table does not fit into a kernel's arguments.
void many_calls(OpRun& run, DType dtype) {
  std::vector<Operands> operands;
  std::vector<AttentionArgs> calls;
  for (uint32_t i = 0; i < 9; ++i) {
    operands.emplace_back(run, Dimensions{2, 1, 8, 2 + i, i}, dtype, 10 * i);
  }
  for (const Operands& each : operands) calls.push_back(each.args());
  attention(run.context(), calls);
  for (size_t i = 0; i < operands.size(); ++i) {
    run.result("out" + std::to_string(i), operands[i].out);
  }
}

/// The query stands elsewhere than where its call is cut for. Keys behind it are NaN.
void at_position(OpRun& run, const Dimensions& d, int64_t position, DType dtype) {
  const Operands operands(run, d, dtype, 1);
  Tensor number({1}, DType::i32);
  *number.data<int32_t>() = static_cast<int32_t>(position);
  const Tensor uploaded = run.upload(number);
  const Tensor k = run.empty({d.groups, std::max(d.offset, position) + 5, d.head_dim}, dtype);
  const Tensor v = run.empty(k.shape(), dtype);
  const Tensor own_k = run.random({d.groups, position + 1, d.head_dim}, dtype, 7);
  const Tensor own_v = run.random({d.groups, position + 1, d.head_dim}, dtype, 8);
  copy(run.context(), own_k, k.view().slice(1, 0, position + 1));
  copy(run.context(), own_v, v.view().slice(1, 0, position + 1));
  AttentionArgs args = operands.args();
  args.k = k;
  args.v = v;
  args.position = uploaded;
  attention(run.context(), args);
  run.result("out", operands.out);
  run.result("lse", operands.lse);
}

/// Two texts in one batch, each without a mask.
void unmasked(OpRun& run, DType dtype) {
  const Operands first(run, {3, 3, 20, 70, 0}, dtype, 10);
  const Operands second(run, {3, 3, 20, 3, 0}, dtype, 20);
  std::vector<MemorySegment> segments;
  for (const Operands* each : {&first, &second}) {
    segments.push_back({0, each->q.dim(0), each->k, each->v});
  }
  std::vector<AttentionArgs> calls;
  for (const Operands* each : {&first, &second}) {
    AttentionArgs args = each->args();
    args.k = each->k.view().slice(1, 0, 0);
    args.v = each->v.view().slice(1, 0, 0);
    args.offset = -each->q.dim(0);
    args.memory = std::span(&segments[calls.size()], 1);
    calls.push_back(args);
  }
  attention(run.context(), calls);
  run.result("first", first.out);
  run.result("first_lse", first.lse);
  run.result("second", second.out);
  run.result("second_lse", second.lse);
}

void large_scores(OpRun& run, DType dtype) {
  const Operands operands(run, {2, 2, 16, 30, 0, {20}}, dtype, 9);
  AttentionArgs args = operands.args();
  args.scale = 40.0F;
  attention(run.context(), args);
  run.result("out", operands.out, dtype == DType::f32 ? 2e-4 : 2e-2);
  run.result("lse", operands.lse);
}

std::vector<OpCase> forward_cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string type(dtype_name(dtype));
    for (const Dimensions& d : shapes()) {
      cases.push_back({name_of(d, dtype), [=](OpRun& run) { forward(run, d, dtype); }});
    }
    cases.push_back({type + "_strided", [=](OpRun& run) { strided(run, dtype, 4); }});
    const std::vector<std::pair<Dimensions, int64_t>> moved = {
        {{4, 2, 20, 1, 10, {24}}, 10},    // where it is cut for
        {{4, 2, 64, 1, 130, {70}}, 180},  // in the same plan
        {{8, 2, 64, 1, 300, {}}, 700},    // far behind: more keys for each piece
        {{2, 2, 100, 1, 60, {130}}, 5},   // before it
    };
    for (const auto& [d, position] : moved) {
      cases.push_back(
          {name_of(d, dtype) + "_at" + std::to_string(position),
           [=, d = d, position = position](OpRun& run) { at_position(run, d, position, dtype); }});
    }
    cases.push_back({type + "_odd_strides", [=](OpRun& run) { strided(run, dtype, 1); }});
    cases.push_back({type + "_batch", [=](OpRun& run) { batch(run, dtype); }});
    cases.push_back({type + "_large_tiles", [=](OpRun& run) { large_tiles(run, dtype); }});
    cases.push_back({type + "_unmasked", [=](OpRun& run) { unmasked(run, dtype); }});
    cases.push_back({type + "_many_calls", [=](OpRun& run) { many_calls(run, dtype); }});
    cases.push_back({type + "_large_scores", [=](OpRun& run) { large_scores(run, dtype); }});
  }
  return cases;
}

/// Of a segment in the middle; the sum of several calls.
void mass(OpRun& run, const Dimensions& d, DType dtype) {
  const Operands operands(run, d, dtype, 11);
  const Tensor lse = run.random({d.tokens, d.heads}, DType::f32, 12, 0.1F);
  const Tensor mass = run.random({d.memory[0]}, DType::f32, 13);
  const TensorView k = operands.segments[0].k;
  for (int i = 0; i < 2; ++i) {
    attention_memory_mass(run.context(), operands.q, k, lse, operands.scale, mass);
    if (d.tokens < 2) continue;
    attention_memory_mass(run.context(), operands.q.view().slice(0, 1, d.tokens), k,
                          lse.view().slice(0, 1, d.tokens), operands.scale, mass);
  }
  run.result("mass", mass, 1e-4);  // q and k are rounded, sums are not
}

std::vector<OpCase> mass_cases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const Dimensions& d :
         {Dimensions{4, 2, 64, 1, 0, {70}}, Dimensions{6, 2, 20, 45, 12, {150}},
          Dimensions{3, 3, 90, 70, 0, {5}}, Dimensions{2, 1, 256, 9, 0, {66}}}) {
      cases.push_back({name_of(d, dtype), [=](OpRun& run) { mass(run, d, dtype); }});
    }
  }
  return cases;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Attention, DeviceOp, testing::ValuesIn(forward_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(AttentionMass, DeviceOp, testing::ValuesIn(mass_cases()), case_name);

}  // namespace memlong::ops::device_test
