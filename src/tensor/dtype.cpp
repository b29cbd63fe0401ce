#include "tensor/dtype.h"

#include <array>
#include <string>

#include "common/error.h"

namespace memlong {
namespace {

struct Entry {
  std::string_view name;
  size_t size;
};
constexpr std::array<Entry, 6> kEntries = {
    {{"f32", 4}, {"bf16", 2}, {"f16", 2}, {"i32", 4}, {"i64", 8}, {"u8", 1}}};

}  // namespace

size_t dtype_size(DType dtype) { return kEntries[static_cast<size_t>(dtype)].size; }
std::string_view dtype_name(DType dtype) { return kEntries[static_cast<size_t>(dtype)].name; }

DType parse_dtype(std::string_view name) {
  for (size_t i = 0; i < kEntries.size(); ++i) {
    if (kEntries[i].name == name) return static_cast<DType>(i);
  }
  fail(ErrorKind::usage, "unknown dtype '" + std::string(name) + "' (f32, bf16, f16)");
}

f16::f16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((word >> 16) & 0x8000U);
  const uint32_t magnitude = word & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) {  // NaN
    bits = sign | 0x7E00U;
  } else if (magnitude >= 0x477FF000U) {  // rounds past the largest half
    bits = sign | 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // normal
    const uint32_t rounded = magnitude - 0x38000000U + 0xFFFU + ((magnitude >> 13) & 1U);
    bits = sign | static_cast<uint16_t>(rounded >> 13);
  } else {  // subnormal: the float addition does the rounding
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    bits = sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(sum) - 0x3F000000U);
  }
}

f16::operator float() const {
  const uint32_t sign = (bits & 0x8000U) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1FU;
  const uint32_t fraction = bits & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  }
  const float value = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -value : value;
}

}  // namespace memlong
