#include "engine/host_rows.h"

#include <cstring>

#include "common/error.h"
#include "ops/copy.h"

namespace memlong::engine {

void HostRows::begin(Context& context, int64_t kv_heads, int64_t rows, int64_t head_dim,
                     DType dtype) {
  mark_.wait();  // what was sent last may still be on its way
  const Shape shape{2, kv_heads, rows, head_dim};
  const size_t bytes = static_cast<size_t>(shape.elements()) * dtype_size(dtype);
  if (room_.bytes() < bytes) {
    context.activate();
    room_ = Tensor({static_cast<int64_t>(bytes)}, DType::u8, context.device());
  }
  device_ = {room_.view().raw(), dtype, shape, context.device()};
  host_ = {};
}

TensorView HostRows::part(int which) const {
  return device_.slice(0, which, which + 1)
      .reshape({device_.dim(1), device_.dim(2), device_.dim(3)});
}

void HostRows::send(Context& context, CopyQueue& copies) {
  host_ = buffer_.room(context, device_.shape(), device_.dtype());
  copies.follow();
  copies.copy(device_, host_);
  mark_ = copies.mark();
}

HostRows::Cut HostRows::cut(int64_t begin, int64_t end) const {
  MEMLONG_CHECK(!host_.empty() && 0 <= begin && begin < end && end <= host_.dim(2),
                "rows that were not sent");
  mark_.wait();
  const int64_t heads = host_.dim(1);
  const Shape shape{heads, end - begin, host_.dim(3)};
  Cut cut{.k = Tensor(shape, host_.dtype()), .v = Tensor(shape, host_.dtype())};
  const size_t row = static_cast<size_t>(host_.dim(3)) * dtype_size(host_.dtype());
  const size_t piece = static_cast<size_t>(end - begin) * row;
  const auto* from = static_cast<const std::byte*>(host_.raw()) + static_cast<size_t>(begin) * row;
  for (const Tensor* to : {&cut.k, &cut.v}) {
    auto* out = static_cast<std::byte*>(to->view().raw());
    for (int64_t head = 0; head < heads; ++head) {
      std::memcpy(out, from, piece);
      out += piece;
      from += static_cast<size_t>(host_.dim(2)) * row;
    }
  }
  return cut;
}

void ChunkRows::take(const TensorView& k, const TensorView& v, DType dtype) {
  k_ = k;
  v_ = v;
  dtype_ = dtype;
  if (context_.device() == Device::cpu) return;
  rows_.begin(context_, k.dim(0), k.dim(1), k.dim(2), dtype);
  ops::copy(context_, k, rows_.keys());
  ops::copy(context_, v, rows_.values());
  rows_.send(context_, copies_);
}

HostRows::Cut ChunkRows::cut(int64_t begin, int64_t end) {
  if (context_.device() == Device::cuda) return rows_.cut(begin, end);
  const Shape shape{k_.dim(0), end - begin, k_.dim(2)};
  HostRows::Cut cut{.k = Tensor(shape, dtype_), .v = Tensor(shape, dtype_)};
  ops::copy(context_, k_.slice(1, begin, end), cut.k);
  ops::copy(context_, v_.slice(1, begin, end), cut.v);
  return cut;
}

}  // namespace memlong::engine
