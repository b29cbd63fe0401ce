// oneDNN for the ops of this folder: engine, stream, and prepared products kept with a context.
// Included by cpu/*.cpp only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <dnnl.hpp>

#include "common/error.h"
#include "ops/cpu/bf16_gemv.h"
#include "ops/matmul_kernels.h"

namespace memlong::ops::cpu {

/// Weights in the blocked layout that oneDNN chose, or where it has no bf16 products, in one of
/// blocks of kWidenedBlock columns.
struct BlockedWeight : PackedWeight::Impl {
  using Impl::Impl;
  [[nodiscard]] size_t bytes() const override { return storage.bytes(); }

  dnnl::memory::desc layout;         ///< [K, N]
  std::optional<Bf16Blocks> blocks;  ///< the same, where it lies so
  Tensor storage;
};

/// How weights [K, N] lie.
enum class WeightForm : uint8_t { blocked, rows, columns };

/// What a prepared product depends on.
struct ProductKey {
  int64_t rows, n, k;
  DType dtype, out_dtype;
  WeightForm form;
  bool bias, accumulate;
  int threads;
  bool operator==(const ProductKey&) const = default;
};

struct ProductKeyHash {
  size_t operator()(const ProductKey& key) const;
};

/// A primitive with its arguments; only the data pointers change between calls.
struct Product {
  dnnl::memory::desc layout;  ///< of the weights it was made for
  dnnl::matmul primitive;
  dnnl::memory x, weight, bias, out;
  std::unordered_map<int, dnnl::memory> arguments;
};

/// One a context. Keeps the most recently used products, at most kCapacity of them; a product
/// that was dropped is made again in about a millisecond.
class OneDnn {
 public:
  static constexpr size_t kCapacity = 512;
  OneDnn();
  [[nodiscard]] const dnnl::engine& engine() const { return engine_; }
  [[nodiscard]] dnnl::stream& stream() { return stream_; }
  Product& product(const ProductKey& key, const dnnl::memory::desc& layout);
  [[nodiscard]] size_t cached() const { return products_.size(); }
  /// The layout that oneDNN wants for weights [K, N], under the thread count set now.
  const dnnl::memory::desc& blocked_layout(int64_t n, int64_t k, DType dtype);

 private:
  using Entry = std::pair<ProductKey, Product>;
  using LayoutKey = std::tuple<int64_t, int64_t, DType, int>;  // n, k, dtype, threads
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::list<Entry> products_;  // the most recently used first
  std::unordered_map<ProductKey, std::list<Entry>::iterator, ProductKeyHash> index_;
  std::map<LayoutKey, dnnl::memory::desc> layouts_;
};

/// out [T, N] = x [T, K] times weights of `layout` [K, N] (+ bias) (+ out).
struct ProductArgs {
  TensorView x;
  WeightForm form;
  const dnnl::memory::desc* layout;
  void* weight;
  TensorView out;
  TensorView bias = {};
  bool accumulate = false;
};
/// Row strides are free, but rows that do not follow each other are copied: oneDNN's fast kernels
/// take none. bf16 is widened (cpu/widened_product.h) where oneDNN does not multiply it.
void run_product(Context& context, const ProductArgs& args);

dnnl::memory::data_type onednn_type(DType dtype);
/// Whether oneDNN multiplies bf16 on this processor: tried once in a process.
bool multiplies_bf16();

/// oneDNN takes its thread count from OpenMP's setting of the calling thread.
class ThreadCount {
 public:
  explicit ThreadCount(int threads);
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  ~ThreadCount();

 private:
  int before_;
};

/// Runs fn; oneDNN reports by exceptions of its own.
template <class Fn>
void guarded(const char* what, Fn&& fn) {
  try {
    fn();
  } catch (const dnnl::error& error) {
    const bool memory_short = error.status == dnnl_out_of_memory;
    fail(memory_short ? ErrorKind::capacity : ErrorKind::internal,
         std::string(what) + ": oneDNN: " + error.what());
  }
}

}  // namespace memlong::ops::cpu
