#include "ops/cpu/onednn.h"

#include <algorithm>

#include <omp.h>

#include "common/error.h"
#include "ops/copy.h"
#include "ops/cpu/widened_product.h"
#include "tensor/parallel.h"

namespace memlong::ops::cpu {
namespace {

using dnnl::memory;

Product make_product(const dnnl::engine& engine, const ProductKey& key,
                     const memory::desc& layout) {
  const memory::desc x({key.rows, key.k}, onednn_type(key.dtype), memory::format_tag::ab);
  const memory::desc out({key.rows, key.n}, onednn_type(key.out_dtype), memory::format_tag::ab);
  const memory::desc bias({1, key.n}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes;
  if (key.accumulate) {
    dnnl::post_ops steps;
    steps.append_sum(1.0F);
    attributes.set_post_ops(steps);
  }
  const auto description =
      key.bias ? dnnl::matmul::desc(x, layout, bias, out) : dnnl::matmul::desc(x, layout, out);
  Product product;
  product.layout = layout;
  product.primitive = dnnl::matmul(dnnl::matmul::primitive_desc(description, attributes, engine));
  product.x = memory(x, engine, DNNL_MEMORY_NONE);
  product.weight = memory(layout, engine, DNNL_MEMORY_NONE);
  product.out = memory(out, engine, DNNL_MEMORY_NONE);
  product.arguments = {
      {DNNL_ARG_SRC, product.x}, {DNNL_ARG_WEIGHTS, product.weight}, {DNNL_ARG_DST, product.out}};
  if (key.bias) {
    product.bias = memory(bias, engine, DNNL_MEMORY_NONE);
    product.arguments.emplace(DNNL_ARG_BIAS, product.bias);
  }
  return product;
}

/// The layout is chosen for this many rows; oneDNN uses the same one from one row up.
constexpr int64_t kPrefillRows = 512;

memory::desc choose_layout(const dnnl::engine& engine, int64_t n, int64_t k, DType dtype) {
  const auto type = onednn_type(dtype);
  const memory::desc x({kPrefillRows, k}, type, memory::format_tag::ab);
  const memory::desc any({k, n}, type, memory::format_tag::any);
  const memory::desc out({kPrefillRows, n}, memory::data_type::f32, memory::format_tag::ab);
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(x, any, out), engine).weights_desc();
}

/// Each row follows the one before.
bool dense(const TensorView& x) { return x.dim(0) == 1 || x.stride(0) == x.dim(1); }

TensorView scratch_like(Context& context, const char* name, const TensorView& x) {
  return context.scratch(name, x.shape(), x.dtype());
}

/// On one thread: the weights come at 50 GB/s or so, products at 100 GFLOP/s (f32) or 800 (bf16).
double nanoseconds(const ProductKey& key) {
  const auto elements = static_cast<double>(key.n * key.k);
  const bool wide = key.dtype == DType::f32;
  const auto rows = static_cast<double>(key.rows);
  return elements * ((wide ? 0.08 : 0.04) + (wide ? 0.02 : 0.0025) * rows);
}

/// Before AVX-512 oneDNN shares a deep sum among threads that find no block of the output of their
/// own, and its rounding depends on their number: they get none. (Three and more may still cut the
/// output at other places than one, with other bits at the edges.)
int threads_of(const Context& context, const ProductKey& key) {
  const int threads = threads_for(context, nanoseconds(key));
  if (multiplies_bf16()) return threads;
  constexpr int64_t kBlock = 64;
  const auto blocks = [](int64_t extent) { return (extent + kBlock - 1) / kBlock; };
  return static_cast<int>(std::clamp<int64_t>(blocks(key.rows) * blocks(key.n), 1, threads));
}

bool makes_bf16_product() {
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const memory::desc layout = choose_layout(engine, 64, 64, DType::bf16);
    const ProductKey key{1, 64, 64, DType::bf16, DType::f32, WeightForm::blocked, false, false, 1};
    (void)make_product(engine, key, layout);
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

}  // namespace

size_t ProductKeyHash::operator()(const ProductKey& key) const {
  uint64_t hash = 0;
  const auto mix = [&](int64_t value) {
    hash = (hash ^ static_cast<uint64_t>(value)) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
  };
  mix(key.rows);
  mix(key.n);
  mix(key.k);
  mix(static_cast<int64_t>(key.dtype) * 64 + static_cast<int64_t>(key.out_dtype) * 8 +
      static_cast<int64_t>(key.form));
  mix(key.threads * 4 + (key.bias ? 2 : 0) + (key.accumulate ? 1 : 0));
  return hash;
}

OneDnn::OneDnn() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

const memory::desc& OneDnn::blocked_layout(int64_t n, int64_t k, DType dtype) {
  const LayoutKey key{n, k, dtype, ::omp_get_max_threads()};
  const auto found = layouts_.find(key);
  if (found != layouts_.end()) return found->second;
  if (layouts_.size() >= kCapacity) layouts_.clear();
  const bool widened = dtype == DType::bf16 && !multiplies_bf16();
  const auto chosen =
      widened ? memory::desc({k, n}, memory::data_type::bf16, memory::format_tag::BA16a32b2a)
              : choose_layout(engine_, n, k, dtype);
  return layouts_.emplace(key, chosen).first->second;
}

Product& OneDnn::product(const ProductKey& key, const memory::desc& layout) {
  const auto found = index_.find(key);
  if (found != index_.end()) {
    products_.splice(products_.begin(), products_, found->second);
    // Weights packed under another thread count may have another layout.
    if (products_.front().second.layout != layout) {
      products_.front().second = make_product(engine_, key, layout);
    }
    return products_.front().second;
  }
  products_.emplace_front(key, make_product(engine_, key, layout));
  index_[key] = products_.begin();
  if (products_.size() > kCapacity) {
    index_.erase(products_.back().first);
    products_.pop_back();
  }
  return products_.front().second;
}

void run_product(Context& context, const ProductArgs& args) {
  if (args.x.dtype() == DType::bf16 && !multiplies_bf16()) {
    const int64_t n = args.out.dim(1);
    const int64_t k = args.x.dim(1);
    const bool rows = args.form == WeightForm::rows;
    const TensorView weight(args.weight, DType::bf16, rows ? Shape{k, n} : Shape{n, k});
    return widened_product(context, {.x = args.x,
                                     .weight = weight,
                                     .rows = rows,
                                     .out = args.out,
                                     .bias = args.bias,
                                     .accumulate = args.accumulate});
  }
  const bool bias = args.bias.raw() != nullptr;
  const TensorView x = dense(args.x) ? args.x : scratch_like(context, "product x", args.x);
  const TensorView out =
      dense(args.out) ? args.out : scratch_like(context, "product out", args.out);
  if (x.raw() != args.x.raw()) copy(context, args.x, x);
  const bool apart = out.raw() != args.out.raw();
  if (apart && args.accumulate) copy(context, args.out, out);
  ProductKey key{x.dim(0),  out.dim(1), x.dim(1),        x.dtype(), out.dtype(),
                 args.form, bias,       args.accumulate, 1};
  key.threads = threads_of(context, key);
  {
    const ThreadCount thread_count(key.threads);
    auto& onednn = context.extension<OneDnn>();
    Product& product = onednn.product(key, *args.layout);
    product.x.set_data_handle(x.raw());
    product.weight.set_data_handle(args.weight);
    product.out.set_data_handle(out.raw());
    if (bias) product.bias.set_data_handle(args.bias.raw());
    product.primitive.execute(onednn.stream(), product.arguments);
    onednn.stream().wait();
  }
  if (apart) copy(context, out, args.out);
}

memory::data_type onednn_type(DType dtype) {
  MEMLONG_CHECK(dtype == DType::f32 || dtype == DType::bf16, "no oneDNN type");
  return dtype == DType::f32 ? memory::data_type::f32 : memory::data_type::bf16;
}

bool multiplies_bf16() {
  static const bool multiplies = makes_bf16_product();
  return multiplies;
}

ThreadCount::ThreadCount(int threads) : before_(::omp_get_max_threads()) {
  if (before_ != threads) ::omp_set_num_threads(threads);
}

ThreadCount::~ThreadCount() {
  if (::omp_get_max_threads() != before_) ::omp_set_num_threads(before_);
}

}  // namespace memlong::ops::cpu
