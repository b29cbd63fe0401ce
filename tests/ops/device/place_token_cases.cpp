#include "ops/device/op_run.h"
#include "ops/place_token.h"

namespace memlong::ops::device_test {
namespace {

struct Sizes {
  int64_t heads, groups, head_dim, position;
};

constexpr int64_t kWindow = 24;

Tensor number(OpRun& run, int32_t value) {
  Tensor host({1}, DType::i32);
  *host.data<int32_t>() = value;
  return run.upload(host);
}

RopeTable table_of(OpRun& run, int64_t head_dim) {
  return RopeTable({.theta = 100.0}, head_dim, kWindow + 3).on(run.context());
}

void place(OpRun& run, const Sizes& size, DType dtype, bool raw) {
  const auto& [heads, groups, head_dim, position] = size;
  const Shape cache{groups, kWindow, head_dim};
  const Tensor q = run.random({1, heads, head_dim}, dtype, 1);
  const Tensor kv = run.random({1, 2 * groups * head_dim}, dtype, 2);
  const Tensor places[] = {run.random(cache, dtype, 3), run.random(cache, dtype, 4),
                           run.random(cache, dtype, 5), run.random(cache, dtype, 6)};
  const int64_t width = groups * head_dim;
  place_token(run.context(), table_of(run, head_dim),
              {.position = number(run, static_cast<int32_t>(position)),
               .q = q,
               .k = kv.view().slice(1, 0, width).split_last(head_dim),
               .v = kv.view().slice(1, width, 2 * width).split_last(head_dim),
               .cached_k = places[0],
               .cached_v = places[1],
               .raw_k = raw ? places[2].view() : TensorView(),
               .raw_v = raw ? places[3].view() : TensorView()});
  run.result("q", q);
  run.result("cached_k", places[0]);
  run.result("cached_v", places[1]);
  run.result("raw_k", places[2]);
  run.result("raw_v", places[3]);
}

/// A cache as [W, G, D], heads between other columns; nothing aligned.
void strided(OpRun& run, DType dtype) {
  const Tensor q = run.random({1, 3 * 20 + 5}, dtype, 1);
  const Tensor k = run.random({1, 2, 23}, dtype, 2);
  const Tensor cache_k = run.random({kWindow, 2, 21}, dtype, 3);
  const Tensor cache_v = run.random({kWindow, 2, 21}, dtype, 4);
  const auto cached = [](const Tensor& x) { return x.view().slice(2, 1, 21).permute({1, 0, 2}); };
  place_token(run.context(), table_of(run, 20),
              {.position = number(run, 13),
               .q = q.view().slice(1, 5, 65).split_last(20),
               .k = k.view().slice(2, 0, 20),
               .v = k.view().slice(2, 3, 23),
               .cached_k = cached(cache_k),
               .cached_v = cached(cache_v)});
  run.result("q", q);
  run.result("cache_k", cache_k);
  run.result("cache_v", cache_v);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::string type(dtype_name(dtype));
    for (const Sizes& size : {Sizes{1, 1, 2, 0}, Sizes{6, 2, 20, kWindow - 1}, Sizes{4, 4, 64, 7},
                              Sizes{32, 8, 128, 1}, Sizes{2, 1, 100, 5}}) {
      const std::string name = type + "_H" + std::to_string(size.heads) + "_D" +
                               std::to_string(size.head_dim) + "_at" +
                               std::to_string(size.position);
      all.push_back({name, [=](OpRun& run) { place(run, size, dtype, true); }});
      all.push_back({name + "_no_raw", [=](OpRun& run) { place(run, size, dtype, false); }});
    }
    all.push_back({type + "_strided", [=](OpRun& run) { strided(run, dtype); }});
  }
  return all;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(PlaceToken, DeviceOp, testing::ValuesIn(cases()), case_name);

}  // namespace memlong::ops::device_test
