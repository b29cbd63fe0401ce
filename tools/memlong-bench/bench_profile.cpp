// Where the time of a pass goes: each operator alone, over all layers, beside the whole pass.
#include <algorithm>
#include <array>
#include <cmath>

#include "common/clock.h"
#include "ops/attention.h"
#include "ops/copy.h"
#include "ops/embedding.h"
#include "ops/place_token.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"
#include "tools/memlong-bench/calls.h"
#include "tools/memlong-bench/floors.h"
#include "tools/memlong-bench/suite.h"
#include "tools/memlong-bench/work.h"

namespace memlong::bench_tool {
namespace {

using backbone::BlockWeights;

constexpr double kSeconds = 0.005;
constexpr double kMiB = 1 << 20;

/// An operator of a pass, called for all layers.
struct Part {
  std::string name;
  std::function<void()> run;
  double flops = 0;
  double bytes = 0;  ///< of weights, of cached keys and values, or of rows read and written
};

/// The operands of all operators, for `rows` tokens behind `depth` others.
class Parts {
 public:
  Parts(Bench& bench, int64_t rows, int64_t depth)
      : context_(bench.context),
        network_(bench.network),
        rows_(rows),
        depth_(depth),
        cache_(bench.context, network_.config, network_.config.layers, network_.window,
               network_.weights->dtype) {
    const model::ModelConfig& c = network_.config;
    ids_ = numbers(random_ids(network_, rows));
    position_ = numbers({static_cast<int32_t>(depth)});
    x_ = f32(c.hidden);
    context_.activate();
    logits_ = Tensor({1, c.vocab}, DType::f32, context_.device());
    normed_ = low(c.hidden);
    q_ = low(c.heads * c.head_dim);
    mixed_ = low(c.heads * c.head_dim);
    kv_ = low(2 * c.kv_heads * c.head_dim);
    gate_up_ = low(2 * c.ffn);
    gated_ = low(c.ffn);
  }

  std::vector<Part> all() {
    return {
        weights("q", &BlockWeights::q, normed_, q_, false),
        weights("kv", &BlockWeights::kv, normed_, kv_, false),
        weights("o", &BlockWeights::o, mixed_, x_, true),
        weights("gate_up", &BlockWeights::gate_up, normed_, gate_up_, false),
        weights("down", &BlockWeights::down, gated_, x_, true),
        head(),
        attention(),
        {"norms", [this] { norms(); }, 0, moved(2 * (x_.bytes() + normed_.bytes()))},
        {"rope", [this] { rope(); }, 0, moved(2 * (q_.bytes() + kv_.bytes()))},
        {"swiglu", [this] { each([&](int64_t) { ops::swiglu(context_, gate_up_, gated_); }); }, 0,
         moved(gate_up_.bytes() + gated_.bytes())},
        {"embedding",
         [this] { ops::embedding_of_view(context_, network_.weights->table(), ids_, x_); }, 0, 0}};
  }

 private:
  /// Where the context computes.
  Tensor numbers(const std::vector<int32_t>& values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    Tensor host(shape, DType::i32);
    std::ranges::copy(values, host.data<int32_t>());
    if (context_.device() == Device::cpu) return host;
    Tensor there(shape, DType::i32, context_.device());
    ops::copy(context_, host, there);
    context_.synchronize();
    return there;
  }

  Tensor f32(int64_t width) { return random_tensor(context_, {rows_, width}, DType::f32); }
  Tensor low(int64_t width) {
    return random_tensor(context_, {rows_, width}, network_.weights->dtype);
  }

  /// Bytes read and written in a layer, over all of them. Those of one row are not worth a floor.
  [[nodiscard]] double moved(size_t bytes) const {
    const auto layers = static_cast<double>(network_.config.layers);
    return rows_ > 1 ? layers * static_cast<double>(bytes) : 0;
  }

  template <class Fn>
  void each(const Fn& fn) {
    for (int64_t layer = 0; layer < network_.config.layers; ++layer) fn(layer);
  }

  [[nodiscard]] const BlockWeights& block(int64_t layer) const {
    return network_.weights->blocks[static_cast<size_t>(layer)];
  }

  Part weights(const char* name, ops::PackedWeight BlockWeights::*weight, const Tensor& x,
               const Tensor& out, bool accumulate) {
    Part part{name,
              [this, weight, &x, &out, accumulate] {
                each([&](int64_t layer) {
                  ops::matmul(context_, x, block(layer).*weight, out, {.accumulate = accumulate});
                });
              },
              0, 0};
    each([&](int64_t layer) {
      const ops::PackedWeight& matrix = block(layer).*weight;
      part.bytes += static_cast<double>(matrix.bytes());
      part.flops += 2.0 * static_cast<double>(rows_ * matrix.out_features() * matrix.in_features());
    });
    return part;
  }

  Part head() {
    const ops::PackedWeight& matrix = network_.weights->head;
    return {
        "head",
        [this, &matrix] { ops::matmul(context_, normed_.view().slice(0, 0, 1), matrix, logits_); },
        2.0 * static_cast<double>(matrix.out_features() * matrix.in_features()),
        static_cast<double>(matrix.bytes())};
  }

  Part attention() {
    const AttentionWork work = attention_work(network_, rows_, depth_, 0);
    const auto layers = static_cast<double>(network_.config.layers);
    return {"attention",
            [this] {
              const int64_t d = network_.config.head_dim;
              const int64_t end = depth_ + rows_;
              each([&](int64_t layer) {
                ops::attention(context_, {.q = q_.view().split_last(d),
                                          .k = cache_.k(layer).slice(1, 0, end),
                                          .v = cache_.v(layer).slice(1, 0, end),
                                          .offset = depth_,
                                          .scale = 1.0F / std::sqrt(static_cast<float>(d)),
                                          .out = mixed_.view().split_last(d)});
              });
            },
            layers * work.flops, layers * work.bytes};
  }

  void norms() {
    const model::ModelConfig& c = network_.config;
    each([&](int64_t layer) {
      ops::rms_norm(context_, x_, block(layer).input_norm, c.rms_eps, normed_);
      ops::rms_norm(context_, x_, block(layer).post_norm, c.rms_eps, normed_);
    });
  }

  /// What a token of an answer does in its place, on a GPU in one go.
  void place() {
    const model::ModelConfig& c = network_.config;
    const int64_t width = c.kv_heads * c.head_dim;
    each([&](int64_t layer) {
      ops::place_token(context_, network_.weights->rope,
                       {.position = position_,
                        .q = q_.view().split_last(c.head_dim),
                        .k = kv_.view().slice(1, 0, width).split_last(c.head_dim),
                        .v = kv_.view().slice(1, width, 2 * width).split_last(c.head_dim),
                        .cached_k = cache_.k(layer),
                        .cached_v = cache_.v(layer)});
    });
  }

  /// Of queries and keys, with what goes into the cache.
  void rope() {
    if (rows_ == 1 && context_.device() != Device::cpu) return place();
    const model::ModelConfig& c = network_.config;
    const int64_t end = depth_ + rows_;
    const int64_t width = c.kv_heads * c.head_dim;
    const TensorView keys = kv_.view().slice(1, 0, width).split_last(c.head_dim);
    const TensorView values = kv_.view().slice(1, width, 2 * width).split_last(c.head_dim);
    const TensorView q = q_.view().split_last(c.head_dim);
    each([&](int64_t layer) {
      ops::rope(context_, keys, network_.weights->rope, depth_,
                cache_.k(layer).slice(1, depth_, end).permute({1, 0, 2}));
      ops::copy(context_, values, cache_.v(layer).slice(1, depth_, end).permute({1, 0, 2}));
      ops::rope(context_, q, network_.weights->rope, depth_, q);
    });
  }

  Context& context_;
  const Network& network_;
  int64_t rows_;
  int64_t depth_;
  backbone::KvCache cache_;
  Tensor ids_, position_, x_, logits_, normed_, q_, mixed_, kv_, gate_up_, gated_;
};

/// Of one, over as many as take a while.
double seconds_of_pass(Pass& pass, std::span<const int32_t> ids, int64_t depth) {
  int passes = 0;
  const Stopwatch watch;
  do {
    if (ids.size() == 1) {
      pass.next(ids[0], depth);
    } else {
      pass.run(ids, depth, {});
    }
    ++passes;
  } while (watch.seconds() < kSeconds);
  return watch.seconds() / passes;
}

void profile(Bench& bench, int64_t rows, int64_t depth) {
  const std::string name = test_name("op", {rows, depth, 0}) + ":";
  Pass pass(bench.context, bench.network);
  Parts parts(bench, rows, depth);
  MatmulFloor matmul = bench.matmul_floor();
  const std::vector<int32_t> ids = random_ids(bench.network, rows);
  std::vector<double> whole;  // of all parts together: a pass is a pass
  for (int i = -1; i < bench.arguments.repeat; ++i) {
    const double seconds = seconds_of_pass(pass, ids, depth);
    if (i >= 0) whole.push_back(seconds);
  }
  for (const Part& part : parts.all()) {
    ReadFloor read(bench.context, part.bytes);
    Calls calls(bench.context, part.run);
    std::vector<double> own;
    bench.add({.test = name + part.name,
               .unit = "passes/s",
               .run =
                   [&] {
                     own.push_back(calls.seconds(kSeconds));
                     return 1 / own.back();
                   },
               .floor = [&]() -> double {
                 if (part.bytes == 0) return 0;
                 return 1 / std::max(part.flops / matmul.flops_per_second(),
                                     part.bytes / read.bytes_per_second());
               },
               .more =
                   [&] {
                     Figures figures = {{"part", median(own) / median(whole)}};
                     if (part.flops > 0) figures.emplace_back("gflop", part.flops / 1e9);
                     if (part.bytes > 0) figures.emplace_back("mib", part.bytes / kMiB);
                     return figures;
                   }});
  }
}

}  // namespace

void bench_profile(Bench& bench) {
  const int64_t longest =
      *std::max_element(bench.arguments.prompt.begin(), bench.arguments.prompt.end());
  profile(bench, 1, longest - 1);
  for (const int64_t tokens : bench.arguments.prompt) profile(bench, tokens, 0);
}

}  // namespace memlong::bench_tool
