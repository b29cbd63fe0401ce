// Everything that exists in hardware only: shared memory, conversions, asynchronous copies, tensor
// cores. Inline PTX and the CUDA intrinsics' headers stand in this file and nowhere else, because
// the tests replace it (tests/support/cuda_emulation/include/ops/cuda/intrinsics.cuh).
#pragma once

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "tensor/dtype.h"

namespace memlong::ops::device {

/// An array or struct that the block shares, uninitialised; one for each type T: a kernel names it
/// by a struct of its own. T needs no constructor. At most 48 KiB in all.
template <class T>
__device__ __forceinline__ T& block_shared() {
  __shared__ __align__(16) unsigned char memory[sizeof(T)];
  return *reinterpret_cast<T*>(memory);
}

/// The shared memory that the launch asked for (LaunchShape::shared_bytes), 16-byte aligned.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char memlong_dynamic_shared[];
  return reinterpret_cast<T*>(memlong_dynamic_shared);
}

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(bf16 value) {
  return __uint_as_float(static_cast<uint32_t>(value.bits) << 16);
}
__device__ __forceinline__ float to_float(f16 value) {
  return __half2float(__ushort_as_half(value.bits));
}

/// Rounded to nearest even; NaN stays NaN.
template <class T>
__device__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float value) {
  bf16 result;
  result.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
  return result;
}
template <>
__device__ __forceinline__ f16 from_float<f16>(float value) {
  f16 result;
  result.bits = __half_as_ushort(__float2half_rn(value));
  return result;
}

/// Two bf16 in a word, `low` in the low half: a register of a tensor core's operand.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

/// 2^x to 2 units in the last place; 0 for -inf.
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Loads and stores of 4, 8 or 16 bytes (Word: uint32_t, uint2, uint4), which must be aligned.
template <class Word>
__device__ __forceinline__ Word load_word(const void* from) {
  return *static_cast<const Word*>(from);
}
template <class Word>
__device__ __forceinline__ void store_word(void* to, Word word) {
  *static_cast<Word*>(to) = word;
}

/// load_word() of 16 bytes that no other warp reads: they need no place in the L1 cache. Not
/// through the read-only path, for a kernel that starts early runs while others still write.
__device__ __forceinline__ uint4 load_once(const void* from) {
  uint4 word;
  asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(word.x), "=r"(word.y), "=r"(word.z), "=r"(word.w)
               : "l"(from));
  return word;
}
/// Asks the L2 cache for the 32 bytes there. Harmless whoever writes them.
__device__ __forceinline__ void fetch_ahead(const void* from) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
}

/// For kernels that launch_early() starts. Waits until the kernels before this one are done and
/// what they wrote can be read, and lets the next one start. Each thread calls it once.
__device__ __forceinline__ void wait_for_earlier() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

/// cp.async: 16 bytes from device to shared memory behind the program's back, both 16-byte aligned.
/// Where not `valid`, zeros (and `from` is not read). The target is undefined until wait.
__device__ __forceinline__ void copy_async_16(void* shared, const void* from, bool valid) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
               : "memory");
}
/// The same for 8 bytes, both 8-byte aligned.
__device__ __forceinline__ void copy_async_8(void* shared, const void* from, bool valid) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 8 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(from), "r"(bytes)
               : "memory");
}
/// Ends a group of copies.
__device__ __forceinline__ void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most `kLeft` of this thread's groups are under way; other threads' copies are
/// there after a __syncthreads() that follows.
template <int kLeft>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

/// Four 8x8 matrices of 16-bit elements from shared memory. Lane l gives the address of row l % 8
/// of matrix l / 8 (16-byte aligned) and gets, of matrix i, row l / 4, elements 2 (l % 4) and the
/// next.
__device__ __forceinline__ void load_matrices(uint32_t (&to)[4], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}
/// The same with each matrix transposed: elements (2 (l % 4), l / 4) and (2 (l % 4) + 1, l / 4).
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&to)[4], const void* row) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}

/// d += a b on the warp's tensor core: a 16x16 and b 16x8 bf16, d 16x8 f32; layouts in mma.cuh.
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4],
                                             const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace memlong::ops::device
