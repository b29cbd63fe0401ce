// Tensors: a view that points at elements, and an owner of elements.
//
// The last dimension of a view is contiguous (stride 1) wherever an op reads rows; other strides
// are free, so [T, G, D] may be a permuted window of a [G, S, D] cache. Strides count elements.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "tensor/device.h"
#include "tensor/dtype.h"

namespace memlong {

/// Up to four extents, row major.
class Shape {
 public:
  static constexpr int kMaxRank = 4;
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t& operator[](int i) { return dims_[static_cast<size_t>(i)]; }
  [[nodiscard]] int64_t elements() const;
  [[nodiscard]] std::string to_string() const;  ///< "[12, 64]"
  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// Points at elements that somebody else owns. Cheap to copy. Does not express constness: an op's
/// header says which views it writes.
class TensorView {
 public:
  TensorView() = default;
  TensorView(void* data, DType dtype, const Shape& shape, Device device = Device::cpu);
  TensorView(void* data, DType dtype, const Shape& shape, const Shape& strides, Device device);

  [[nodiscard]] bool empty() const { return data_ == nullptr || shape_.elements() == 0; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] int rank() const { return shape_.rank(); }
  [[nodiscard]] int64_t dim(int i) const { return shape_[i]; }
  [[nodiscard]] int64_t stride(int i) const { return strides_[i]; }
  [[nodiscard]] int64_t elements() const { return shape_.elements(); }
  [[nodiscard]] size_t bytes() const;  ///< of the elements, as if contiguous
  [[nodiscard]] bool contiguous() const;
  [[nodiscard]] void* raw() const { return data_; }

  /// Elements as T; another dtype is Error{internal}.
  template <class T>
  [[nodiscard]] T* data() const {
    check_dtype(DTypeOf<T>::kValue);
    return static_cast<T*>(data_);
  }

  /// Rows [begin, end) of dimension `dim`.
  [[nodiscard]] TensorView slice(int dim, int64_t begin, int64_t end) const;
  /// Dimensions in another order: permute({1, 0, 2}).
  [[nodiscard]] TensorView permute(std::initializer_list<int> order) const;
  /// Another shape of the same elements; needs a contiguous view.
  [[nodiscard]] TensorView reshape(const Shape& shape) const;
  /// The last dimension split in two: [T, H*D] -> [T, H, D]; keeps the strides.
  [[nodiscard]] TensorView split_last(int64_t inner) const;

 private:
  void check_dtype(DType wanted) const;

  void* data_ = nullptr;
  Shape shape_;
  Shape strides_;
  DType dtype_ = DType::f32;
  Device device_ = Device::cpu;
};

/// Owns contiguous elements, 64-byte aligned. Movable, shareable by view only.
class Tensor {
 public:
  Tensor() = default;
  /// Elements are not initialised.
  Tensor(const Shape& shape, DType dtype, Device device = Device::cpu);
  /// In memory that is 64-byte aligned and goes with its last owner.
  Tensor(std::shared_ptr<void> memory, const Shape& shape, DType dtype,
         Device device = Device::cpu);
  static Tensor zeros(const Shape& shape, DType dtype, Device device = Device::cpu);
  /// A contiguous copy.
  static Tensor copy_of(const TensorView& view);

  [[nodiscard]] const TensorView& view() const { return view_; }
  operator const TensorView&() const { return view_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool empty() const { return view_.empty(); }
  [[nodiscard]] DType dtype() const { return view_.dtype(); }
  [[nodiscard]] const Shape& shape() const { return view_.shape(); }
  [[nodiscard]] int64_t dim(int i) const { return view_.dim(i); }
  [[nodiscard]] size_t bytes() const { return view_.bytes(); }
  template <class T>
  [[nodiscard]] T* data() const {
    return view_.data<T>();
  }

 private:
  std::shared_ptr<void> storage_;
  TensorView view_;
};

}  // namespace memlong
