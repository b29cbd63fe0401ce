#include "membank/kv_codec.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/error.h"

namespace memlong::membank {
namespace {

template <class From, class To>
void convert(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + i * from_stride * static_cast<int64_t>(sizeof(From)), sizeof(From));
    To result;
    if constexpr (std::is_same_v<From, To>) {
      result = value;
    } else {
      result = static_cast<To>(static_cast<float>(value));
    }
    std::memcpy(to + i * to_stride * static_cast<int64_t>(sizeof(To)), &result, sizeof(To));
  }
}

template <class Fn>
void with_type(DType dtype, const Fn& fn) {
  switch (dtype) {
    case DType::f32:
      return fn(float{});
    case DType::bf16:
      return fn(bf16{});
    case DType::f16:
      return fn(f16{});
    default:
      fail(ErrorKind::internal,
           "keys and values are f32, bf16 or f16, not " + std::string(dtype_name(dtype)));
  }
}

/// Row (g, t) of a view [G, n, D].
char* row_of(const TensorView& view, int64_t g, int64_t t) {
  return static_cast<char*>(view.raw()) +
         (g * view.stride(0) + t * view.stride(1)) * static_cast<int64_t>(dtype_size(view.dtype()));
}

void convert_row(const char* from, DType from_type, int64_t from_stride, char* to, DType to_type,
                 int64_t to_stride, int64_t count) {
  if (from_type == to_type && from_stride == 1 && to_stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * dtype_size(from_type));
    return;
  }
  with_type(from_type, [&](auto source) {
    with_type(to_type, [&](auto target) {
      convert<decltype(source), decltype(target)>(from, from_stride, to, to_stride, count);
    });
  });
}

/// Calls fn(view, g, t, rows, offset) for all rows of K, then of V: for as many at once as follow
/// each other in the view and end within the first `whole` bytes, else for one.
template <class Fn>
void for_each_run(const TensorView& k, const TensorView& v, size_t row_bytes, size_t whole,
                  const Fn& fn) {
  size_t offset = 0;
  for (const TensorView* view : {&k, &v}) {
    const int64_t count = view->dim(1);
    const bool dense = view->stride(2) == 1 && view->stride(1) == view->dim(2);
    for (int64_t g = 0; g < view->dim(0); ++g) {
      for (int64_t t = 0; t < count;) {
        const auto fitting = static_cast<int64_t>((whole - std::min(offset, whole)) / row_bytes);
        const int64_t rows = dense ? std::clamp<int64_t>(fitting, 1, count - t) : 1;
        fn(*view, g, t, rows, offset);
        offset += static_cast<size_t>(rows) * row_bytes;
        t += rows;
      }
    }
  }
}

}  // namespace

size_t kv_bytes(const Fingerprint& fingerprint, int64_t tokens) {
  return 2 * static_cast<size_t>(fingerprint.kv_heads) * static_cast<size_t>(tokens) *
         static_cast<size_t>(fingerprint.head_dim) * dtype_size(fingerprint.kv_dtype);
}

void check_kv_views(const Fingerprint& fingerprint, int64_t tokens, const TensorView& k,
                    const TensorView& v) {
  const Shape wanted{fingerprint.kv_heads, tokens, fingerprint.head_dim};
  for (const TensorView* view : {&k, &v}) {
    MEMLONG_CHECK(view->shape() == wanted, "keys or values of a chunk are " +
                                               view->shape().to_string() + " instead of " +
                                               wanted.to_string());
    MEMLONG_CHECK(view->device() == Device::cpu, "keys and values must be in main memory");
  }
}

void encode_kv(const TensorView& k, const TensorView& v, DType stored, char* head, size_t head_size,
               char* tail, size_t tail_size) {
  const int64_t d = k.dim(2);
  const size_t row_bytes = static_cast<size_t>(d) * dtype_size(stored);
  std::vector<char> split(row_bytes);
  for_each_run(k, v, row_bytes, head_size,
               [&](const TensorView& view, int64_t g, int64_t t, int64_t rows, size_t offset) {
                 const bool whole = offset + row_bytes <= head_size;
                 char* to = whole ? head + offset : split.data();
                 convert_row(row_of(view, g, t), view.dtype(), view.stride(2), to, stored, 1,
                             rows * d);
                 if (whole) return;
                 MEMLONG_CHECK(offset + row_bytes <= head_size + tail_size,
                               "keys and values beyond their room");
                 const size_t in_head = offset < head_size ? head_size - offset : 0;
                 if (in_head > 0) std::memcpy(head + offset, split.data(), in_head);
                 std::memcpy(tail + (offset + in_head - head_size), split.data() + in_head,
                             row_bytes - in_head);
               });
}

void decode_kv(std::string_view head, std::string_view tail, DType stored, const TensorView& k,
               const TensorView& v) {
  const int64_t d = k.dim(2);
  const size_t row_bytes = static_cast<size_t>(d) * dtype_size(stored);
  std::vector<char> split(row_bytes);
  for_each_run(k, v, row_bytes, head.size(),
               [&](const TensorView& view, int64_t g, int64_t t, int64_t rows, size_t offset) {
                 const char* from = head.data() + offset;
                 if (offset + row_bytes > head.size()) {
                   const size_t in_head = offset < head.size() ? head.size() - offset : 0;
                   if (in_head > 0) std::memcpy(split.data(), head.data() + offset, in_head);
                   std::memcpy(split.data() + in_head,
                               tail.data() + (offset + in_head - head.size()), row_bytes - in_head);
                   from = split.data();
                 }
                 convert_row(from, stored, 1, row_of(view, g, t), view.dtype(), view.stride(2),
                             rows * d);
               });
}

}  // namespace memlong::membank
