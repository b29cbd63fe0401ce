// Little-endian fields of a record, written and read one after the other.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace memlong::membank {

class ByteWriter {
 public:
  template <std::integral T>
  void put(T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<char>(static_cast<uint64_t>(bits) >> (8 * i)));
    }
  }
  void raw(std::string_view bytes) { bytes_.append(bytes); }
  void text(std::string_view value) {  ///< u32 length, bytes
    put(static_cast<uint32_t>(value.size()));
    raw(value);
  }
  void ids(std::span<const int32_t> values) {
    for (const int32_t value : values) put(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Errors: corrupt, when the record is shorter than its fields.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  template <std::integral T>
  T get() {
    const std::string_view field = raw(sizeof(T));
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      bits |= static_cast<uint64_t>(static_cast<unsigned char>(field[i])) << (8 * i);
    }
    return static_cast<T>(bits);
  }
  std::string_view raw(size_t size) {
    if (size > bytes_.size() - at_) fail(ErrorKind::corrupt, "a record is shorter than its fields");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  std::string text() { return std::string(raw(get<uint32_t>())); }
  std::vector<int32_t> ids(size_t count) {
    ByteReader fields(raw(count * sizeof(int32_t)));
    std::vector<int32_t> values(count);
    for (int32_t& value : values) value = fields.get<int32_t>();
    return values;
  }
  [[nodiscard]] std::string_view rest() const { return bytes_.substr(at_); }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace memlong::membank
