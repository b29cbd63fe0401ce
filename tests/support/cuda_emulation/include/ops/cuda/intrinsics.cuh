// Stands in for src/ops/cuda/intrinsics.cuh, function by function.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <cuda_runtime.h>
#include <string>

#include "tensor/dtype.h"

namespace memlong::ops::device {

template <class T>
T& block_shared() {
  return *reinterpret_cast<T*>(cuda_emulation::block_shared(typeid(T), sizeof(T)));
}
template <class T>
T* dynamic_shared() {
  return reinterpret_cast<T*>(cuda_emulation::dynamic_shared());
}

inline float to_float(float value) { return value; }
inline float to_float(bf16 value) { return static_cast<float>(value); }
inline float to_float(f16 value) { return static_cast<float>(value); }
template <class T>
T from_float(float value) {
  return T(value);
}
inline uint32_t pack_bf16(float low, float high) {
  return bf16(low).bits | static_cast<uint32_t>(bf16(high).bits) << 16;
}
inline float exp2_fast(float x) { return std::exp2(x); }

/// What every access of several elements does.
inline void check_aligned(const void* at, size_t bytes) {
  cuda_emulation::check_waited();
  if (reinterpret_cast<uintptr_t>(at) % bytes == 0) return;
  cuda_emulation::report("an access of " + std::to_string(bytes) + " bytes that is not aligned");
}
template <class Word>
Word load_word(const void* from) {
  check_aligned(from, sizeof(Word));
  Word word;
  std::memcpy(&word, from, sizeof(Word));
  return word;
}
template <class Word>
void store_word(void* to, Word word) {
  check_aligned(to, sizeof(Word));
  std::memcpy(to, &word, sizeof(Word));
}

inline uint4 load_once(const void* from) { return load_word<uint4>(from); }
inline void fetch_ahead(const void* from) {
  if (!cuda_emulation::is_device_pointer(from)) {
    cuda_emulation::report("a prefetch of what is not device memory");
  }
}
inline void wait_for_earlier() { cuda_emulation::count_wait(); }

inline void copy_async_16(void* shared, const void* from, bool valid) {
  check_aligned(shared, 16);
  check_aligned(from, 16);
  cuda_emulation::copy_async(shared, from, 16, valid ? 16 : 0);
}
inline void copy_async_8(void* shared, const void* from, bool valid) {
  check_aligned(shared, 8);
  check_aligned(from, 8);
  cuda_emulation::copy_async(shared, from, 8, valid ? 8 : 0);
}
inline void copy_async_commit() { cuda_emulation::copy_async_commit(); }
template <int kLeft>
void copy_async_wait() {
  cuda_emulation::copy_async_wait(kLeft);
}

/// Element `column` of row `row` of matrix `i`: the lane that named the row's address is 8 i + row.
inline uint16_t matrix_element(const cuda_emulation::Lanes<const uint16_t*>& rows, int i,
                               unsigned row, unsigned column) {
  return rows[static_cast<unsigned>(i) * 8 + row][column];
}
inline void load_matrices(uint32_t (&to)[4], const void* row) {
  check_aligned(row, 16);
  const auto rows = cuda_emulation::exchange(static_cast<const uint16_t*>(row), 0xFFFFFFFFU,
                                             std::source_location::current());
  const unsigned lane = cuda_emulation::lane();
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = matrix_element(rows, i, lane / 4, lane % 4 * 2);
    to[i] = low | static_cast<uint32_t>(matrix_element(rows, i, lane / 4, lane % 4 * 2 + 1)) << 16;
  }
}
inline void load_matrices_transposed(uint32_t (&to)[4], const void* row) {
  check_aligned(row, 16);
  const auto rows = cuda_emulation::exchange(static_cast<const uint16_t*>(row), 0xFFFFFFFFU,
                                             std::source_location::current());
  const unsigned lane = cuda_emulation::lane();
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = matrix_element(rows, i, lane % 4 * 2, lane / 4);
    to[i] = low | static_cast<uint32_t>(matrix_element(rows, i, lane % 4 * 2 + 1, lane / 4)) << 16;
  }
}

/// The element at `depth` of two words that hold depths 2 quad, +1 and 8 + 2 quad, +1.
inline float operand_element(uint32_t low, uint32_t high, unsigned depth) {
  const uint32_t word = depth < 8 ? low : high;
  bf16 element;
  element.bits = static_cast<uint16_t>(depth % 2 == 0 ? word : word >> 16);
  return static_cast<float>(element);
}
inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Operands {
    uint32_t a[4];
    uint32_t b[2];
  };
  const auto lanes = cuda_emulation::exchange(Operands{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}},
                                              0xFFFFFFFFU, std::source_location::current());
  const unsigned lane = cuda_emulation::lane();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned lower = i / 2;  // row group + 8
    const unsigned column = lane % 4 * 2 + i % 2;
    float sum = 0.0F;
    for (unsigned depth = 0; depth < 16; ++depth) {
      const Operands left = lanes[lane / 4 * 4 + depth % 8 / 2];
      const Operands right = lanes[column * 4 + depth % 8 / 2];
      sum += operand_element(left.a[lower], left.a[lower + 2], depth) *
             operand_element(right.b[0], right.b[1], depth);
    }
    d[i] += sum;
  }
}

}  // namespace memlong::ops::device
