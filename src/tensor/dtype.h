// Element types and their conversions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace memlong {

enum class DType : uint8_t { f32, bf16, f16, i32, i64, u8 };

size_t dtype_size(DType dtype);
std::string_view dtype_name(DType dtype);
inline bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
}
/// "f32", "bf16", "f16", ... ; anything else is Error{usage}.
DType parse_dtype(std::string_view name);

/// bfloat16, rounded to nearest even; NaN stays NaN.
struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  explicit bf16(float value) {
    const auto word = std::bit_cast<uint32_t>(value);
    const bool nan = (word & 0x7FFFFFFFU) > 0x7F800000U;
    bits = static_cast<uint16_t>(nan ? (word >> 16) | 0x40U
                                     : (word + 0x7FFFU + ((word >> 16) & 1U)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

/// IEEE half precision, rounded to nearest even.
struct f16 {
  uint16_t bits = 0;
  f16() = default;
  explicit f16(float value);
  explicit operator float() const;
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType kValue = DType::f32;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType kValue = DType::bf16;
};
template <>
struct DTypeOf<f16> {
  static constexpr DType kValue = DType::f16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType kValue = DType::i32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType kValue = DType::i64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType kValue = DType::u8;
};

}  // namespace memlong
