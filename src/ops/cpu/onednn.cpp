#include "ops/cpu/onednn.h"

#include <omp.h>

#include "common/error.h"

namespace memlong::ops::cpu {
namespace {

using dnnl::memory;

Product make_product(const dnnl::engine& engine, const ProductKey& key,
                     const BlockedWeight& weight) {
  const memory::desc x({key.rows, key.k}, onednn_type(key.dtype), {key.x_stride, 1});
  const memory::desc out({key.rows, key.n}, onednn_type(key.out_dtype), {key.out_stride, 1});
  const memory::desc bias({1, key.n}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes;
  if (key.accumulate) {
    dnnl::post_ops steps;
    steps.append_sum(1.0F);
    attributes.set_post_ops(steps);
  }
  const auto description = key.bias ? dnnl::matmul::desc(x, weight.layout, bias, out)
                                    : dnnl::matmul::desc(x, weight.layout, out);
  Product product;
  product.layout = weight.layout;
  product.primitive = dnnl::matmul(dnnl::matmul::primitive_desc(description, attributes, engine));
  product.x = memory(x, engine, DNNL_MEMORY_NONE);
  product.weight = memory(weight.layout, engine, DNNL_MEMORY_NONE);
  product.out = memory(out, engine, DNNL_MEMORY_NONE);
  product.arguments = {
      {DNNL_ARG_SRC, product.x}, {DNNL_ARG_WEIGHTS, product.weight}, {DNNL_ARG_DST, product.out}};
  if (key.bias) {
    product.bias = memory(bias, engine, DNNL_MEMORY_NONE);
    product.arguments.emplace(DNNL_ARG_BIAS, product.bias);
  }
  return product;
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
  mix(key.x_stride);
  mix(key.out_stride);
  mix(static_cast<int64_t>(key.dtype) * 8 + static_cast<int64_t>(key.out_dtype));
  mix(key.threads * 4 + (key.bias ? 2 : 0) + (key.accumulate ? 1 : 0));
  return hash;
}

OneDnn::OneDnn() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

Product& OneDnn::product(const ProductKey& key, const BlockedWeight& weight) {
  const auto found = index_.find(key);
  if (found != index_.end()) {
    products_.splice(products_.begin(), products_, found->second);
    // Weights packed under another thread count may have another layout.
    if (products_.front().second.layout != weight.layout) {
      products_.front().second = make_product(engine_, key, weight);
    }
    return products_.front().second;
  }
  products_.emplace_front(key, make_product(engine_, key, weight));
  index_[key] = products_.begin();
  if (products_.size() > kCapacity) {
    index_.erase(products_.back().first);
    products_.pop_back();
  }
  return products_.front().second;
}

memory::data_type onednn_type(DType dtype) {
  MEMLONG_CHECK(dtype == DType::f32 || dtype == DType::bf16, "no oneDNN type");
  return dtype == DType::f32 ? memory::data_type::f32 : memory::data_type::bf16;
}

ThreadCount::ThreadCount(int threads) : before_(::omp_get_max_threads()) {
  if (before_ != threads) ::omp_set_num_threads(threads);
}

ThreadCount::~ThreadCount() {
  if (::omp_get_max_threads() != before_) ::omp_set_num_threads(before_);
}

}  // namespace memlong::ops::cpu
