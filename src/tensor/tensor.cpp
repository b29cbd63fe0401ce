#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <utility>

#include "common/error.h"
#include "tensor/cuda/backend.h"

namespace memlong {

Shape::Shape(std::initializer_list<int64_t> dims) {
  MEMLONG_CHECK(dims.size() <= kMaxRank, "a shape has at most four dimensions");
  for (const int64_t dim : dims) dims_[static_cast<size_t>(rank_++)] = dim;
}

int64_t Shape::elements() const {
  if (rank_ == 0) return 0;
  int64_t count = 1;
  for (int i = 0; i < rank_; ++i) count *= (*this)[i];
  return count;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) text += (i > 0 ? ", " : "") + std::to_string((*this)[i]);
  return text + "]";
}

TensorView::TensorView(void* data, DType dtype, const Shape& shape, Device device)
    : data_(data), shape_(shape), strides_(shape), dtype_(dtype), device_(device) {
  int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides_[i] = stride;
    stride *= shape[i];
  }
}

TensorView::TensorView(void* data, DType dtype, const Shape& shape, const Shape& strides,
                       Device device)
    : data_(data), shape_(shape), strides_(strides), dtype_(dtype), device_(device) {}

size_t TensorView::bytes() const { return static_cast<size_t>(elements()) * dtype_size(dtype_); }

bool TensorView::contiguous() const {
  int64_t stride = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != stride) return false;
    stride *= shape_[i];
  }
  return true;
}

TensorView TensorView::slice(int dim, int64_t begin, int64_t end) const {
  MEMLONG_CHECK(dim < rank() && 0 <= begin && begin <= end && end <= shape_[dim],
                "slice outside " + shape_.to_string());
  TensorView part = *this;
  part.shape_[dim] = end - begin;
  part.data_ = static_cast<std::byte*>(data_) +
               begin * strides_[dim] * static_cast<int64_t>(dtype_size(dtype_));
  return part;
}

TensorView TensorView::permute(std::initializer_list<int> order) const {
  MEMLONG_CHECK(static_cast<int>(order.size()) == rank(), "permute needs every dimension");
  TensorView turned = *this;
  int i = 0;
  for (const int from : order) {
    turned.shape_[i] = shape_[from];
    turned.strides_[i] = strides_[from];
    ++i;
  }
  return turned;
}

TensorView TensorView::reshape(const Shape& shape) const {
  MEMLONG_CHECK(contiguous() && shape.elements() == elements(),
                "cannot reshape " + shape_.to_string() + " to " + shape.to_string());
  return {data_, dtype_, shape, device_};
}

TensorView TensorView::split_last(int64_t inner) const {
  const int last = rank() - 1;
  MEMLONG_CHECK(rank() < Shape::kMaxRank && shape_[last] % inner == 0,
                "cannot split " + shape_.to_string());
  Shape shape;
  Shape strides;
  if (rank() == 1) {
    shape = {shape_[0] / inner, inner};
    strides = {inner, 1};
  } else if (rank() == 2) {
    shape = {shape_[0], shape_[1] / inner, inner};
    strides = {strides_[0], inner, 1};
  } else {
    shape = {shape_[0], shape_[1], shape_[2] / inner, inner};
    strides = {strides_[0], strides_[1], inner, 1};
  }
  return {data_, dtype_, shape, strides, device_};
}

void TensorView::check_dtype(DType wanted) const {
  MEMLONG_CHECK(wanted == dtype_, "tensor is " + std::string(dtype_name(dtype_)) + ", not " +
                                      std::string(dtype_name(wanted)));
}

namespace {

/// For the whole ones in a large block. Where there are none, there are none.
void ask_for_huge_pages(void* memory, size_t bytes) {
  constexpr uintptr_t kHugePage = uintptr_t{2} << 20;
  if (bytes < 2 * kHugePage) return;
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

std::shared_ptr<void> host_memory(size_t bytes, const Shape& shape) {
  constexpr size_t kAlignment = 64;
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
  if (memory == nullptr) {
    fail(ErrorKind::capacity,
         "out of memory: " + std::to_string(bytes) + " bytes for a tensor " + shape.to_string());
  }
  ask_for_huge_pages(memory, rounded);
  return {memory, std::free};
}

/// `rows` pieces of `row` bytes that lie `pitch` bytes apart, put one after the other.
void gather_rows(Device device, void* to, const void* from, size_t row, size_t pitch, size_t rows) {
  if (device == Device::cpu) {
    for (size_t r = 0; r < rows; ++r) {
      std::memcpy(static_cast<std::byte*>(to) + r * row,
                  static_cast<const std::byte*>(from) + r * pitch, row);
    }
  } else {
    if constexpr (kHasCuda) cuda::gather_rows(to, from, row, pitch, rows);
  }
}

}  // namespace

Tensor::Tensor(const Shape& shape, DType dtype, Device device) {
  const size_t bytes = static_cast<size_t>(shape.elements()) * dtype_size(dtype);
  if (device == Device::cpu) {
    storage_ = host_memory(bytes, shape);
  } else {
    if constexpr (kHasCuda) {
      storage_ = cuda::allocate(bytes, "a tensor " + shape.to_string());
    } else {
      fail(ErrorKind::device, "this build has no CUDA");
    }
  }
  view_ = TensorView(storage_.get(), dtype, shape, device);
}

Tensor::Tensor(std::shared_ptr<void> memory, const Shape& shape, DType dtype, Device device)
    : storage_(std::move(memory)), view_(storage_.get(), dtype, shape, device) {}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor tensor(shape, dtype, device);
  if (device == Device::cpu) {
    std::memset(tensor.view_.raw(), 0, tensor.bytes());
  } else {
    if constexpr (kHasCuda) cuda::set_zero(tensor.view_.raw(), tensor.bytes());
  }
  return tensor;
}

Tensor Tensor::copy_of(const TensorView& view) {
  Tensor copy(view.shape(), view.dtype(), view.device());
  if (view.empty()) return copy;
  const auto size = static_cast<int64_t>(dtype_size(view.dtype()));
  auto* to = static_cast<std::byte*>(copy.view_.raw());
  if (view.contiguous()) {
    gather_rows(view.device(), to, view.raw(), view.bytes(), view.bytes(), 1);
    return copy;
  }
  const int last = view.rank() - 1;
  MEMLONG_CHECK(view.stride(last) == 1, "copy_of needs contiguous rows");
  const int64_t row = view.dim(last) * size;
  const int64_t rows = last > 0 ? view.dim(last - 1) : 1;
  const int64_t pitch = last > 0 ? view.stride(last - 1) * size : row;
  const int64_t planes = view.elements() / (view.dim(last) * rows);
  for (int64_t p = 0; p < planes; ++p) {
    int64_t rest = p;
    int64_t offset = 0;
    for (int d = last - 2; d >= 0; --d) {
      offset += rest % view.dim(d) * view.stride(d);
      rest /= view.dim(d);
    }
    gather_rows(view.device(), to + p * rows * row,
                static_cast<const std::byte*>(view.raw()) + offset * size, static_cast<size_t>(row),
                static_cast<size_t>(pitch), static_cast<size_t>(rows));
  }
  return copy;
}

}  // namespace memlong
